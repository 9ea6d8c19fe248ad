# To be sourced: step NAME COMMAND... runs a command and says when it begins, how long it took, and what it used of the
# processors: on a machine with other work, only that can be compared.

clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

step() {
    local name=$1 began=$SECONDS status=0
    local TIMEFORMAT='== processors: %0lU user, %0lS system'
    shift
    echo "== $(clock "$SECONDS") $name"
    time "$@" || status=$?
    if [ "$status" != 0 ]; then
        echo "== $(clock "$SECONDS") $name FAILED after $(clock $((SECONDS - began)))" >&2
        exit "$status"
    fi
    echo "== $(clock "$SECONDS") $name passed in $(clock $((SECONDS - began)))"
}

# beside NAME COMMAND... begins a command whose step await ends: for what mostly waits. Its output comes then.
beside() {
    beside_name=$1 beside_output=$(mktemp)
    shift
    echo "== $(clock "$SECONDS") $beside_name begins, beside what follows"
    set -m # in a process group, which ends as a whole
    (step "$beside_name" "$@") >"$beside_output" 2>&1 &
    set +m
    beside_pid=$!
    trap 'kill -- "-$beside_pid" 2>/dev/null || true; cat "$beside_output"; rm -f "$beside_output"' EXIT
}

# await waits for the command of beside, if there is one that no await has ended.
await() {
    local status=0
    if [ -z "${beside_pid:-}" ]; then return; fi
    wait "$beside_pid" || status=$?
    trap - EXIT
    beside_pid=
    cat "$beside_output"
    rm -f "$beside_output"
    if [ "$status" != 0 ]; then exit "$status"; fi
}

# To be sourced: step NAME COMMAND... runs a command and says when it begins and how long it took.

clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

step() {
    local name=$1 began=$SECONDS
    shift
    echo "== $(clock "$SECONDS") $name"
    local status=0
    "$@" || status=$?
    if [ "$status" != 0 ]; then
        echo "== $(clock "$SECONDS") $name FAILED after $(clock $((SECONDS - began)))" >&2
        exit "$status"
    fi
    echo "== $(clock "$SECONDS") $name passed in $(clock $((SECONDS - began)))"
}

package triggers

import "fmt"

// leaderLock is the key of the advisory lock of the notify leader: the server that polls the log every
// few milliseconds while writers commit often, and sends the wake-ups for them. It equals
// notify.LeaderLock. The documentation of package db/notify proves that every event gets a wake-up.
const leaderLock int64 = 0x7067686572616c02

// listenerLock is the key of the advisory lock that the session of each server's listener shares. It equals
// notify.ListenerLock.
const listenerLock int64 = 0x7067686572616c03

// wakeUp generates the NOTIFY of a transaction that wrote events. A writer skips it while the notify
// leader holds its lock, or while no server listens, because a COMMIT with a NOTIFY takes a lock of the
// whole cluster. The payload is bounded, since PostgreSQL refuses a NOTIFY of 8000 bytes and the write would fail.
//
// The writer tries the locks after its insert: then the leader finds the events of every writer that
// saw its lock held, and a server that starts those of every writer that saw the listeners' lock free. The writer
// takes and releases a lock within one expression, where no cancel can interrupt it: a session that kept a lock
// would keep leaders out, or servers from sharing. While a leader leads it does not try the second one, which would
// cost each transaction 0.7 µs. Listeners share their lock, so that a writer holds it alone only if
// none is there. Writers that meet there send a NOTIFY that is superfluous.
//
// It does so once in a transaction, which the setting pgherald.announced marks. PostgreSQL undoes the
// mark together with the NOTIFY, when a savepoint is rolled back and at the end of the transaction. The
// mark holds the transaction's number, so that a session that sets it anyway delays its own events only
// where it knows the number.
func wakeUp(table Name) string {
	return fmt.Sprintf(`-- The first write of a transaction sends a wake-up, unless the notify leader holds this advisory
-- lock: then the leader finds the events and sends the wake-up. Nor does it if it gets the second lock alone, which
-- each server shares while it listens: then no server does.
if written and coalesce(pg_catalog.current_setting('pgherald.announced', true), '')
    operator(pg_catalog.<>) pg_catalog.pg_current_xact_id()::pg_catalog.text
then
    perform pg_catalog.set_config('pgherald.announced', pg_catalog.pg_current_xact_id()::pg_catalog.text, true);
    if (case when pg_catalog.pg_try_advisory_lock_shared(%[2]d) then pg_catalog.pg_advisory_unlock_shared(%[2]d)
        and (case when pg_catalog.pg_try_advisory_lock(%[3]d) then not pg_catalog.pg_advisory_unlock(%[3]d) else true end) end)
    then
        perform pg_catalog.pg_notify('pgherald', pg_catalog.json_build_object(
            'table', %[1]s,
            'op', pg_catalog.lower(tg_op),
            'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
        )::pg_catalog.text);
    end if;
end if;`, quoteLiteral(table.String()), leaderLock, listenerLock)
}

package control

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
)

// presenceLock is the advisory lock of whoever writes presence, see pruneLock. Two servers that
// judged at the same moment whether a user is online elsewhere could both be wrong.
const presenceLock = 0x7067686572616c03

// writeTimeout bounds one write of presence.
const writeTimeout = 10 * time.Second

// maxPresence is how many users one transaction writes.
const maxPresence = 10_000

// turn writes what has changed. Without a change it writes nothing, unless a sign of life is due.
func (p *Presence) turn(ctx context.Context, now time.Time, beat bool) (wrote bool, err error) {
	for {
		c := p.next(now, maxPresence)
		n := len(c.come) + len(c.leave)
		if n == 0 && !beat {
			return wrote, nil
		}
		alive, err := p.write(ctx, c)
		switch {
		case err != nil:
			p.undone(c)
			return wrote, fmt.Errorf("write presence: %w", db.Explain(err))
		case !alive:
			p.buried()
		default:
			p.done(c)
		}
		wrote, beat = true, false
		if alive && n < maxPresence {
			return wrote, nil
		}
	}
}

// A frozen server must not hold the lock for the others for ever.
const presenceLockSQL = `
select
    set_config('idle_in_transaction_session_timeout', '5s', true),
    set_config('lock_timeout', '5s', true),
    pg_advisory_xact_lock($1)`

// A row that is gone was buried by others, who have told everybody that its users are offline.
const presenceBeatSQL = `
with beat as (
    update pgherald.replicas set last_seen = clock_timestamp() where id = $1 returning id
)
insert into pgherald.replicas (id)
select $1 where not exists (select from beat)`

// Those who are nowhere else have come online. The snapshot is of before the insert.
const presenceComeSQL = `
with come as (
    insert into pgherald.presence (user_id, replica)
    select u.user_id, $2 from unnest($1::text[]) as u (user_id)
    on conflict do nothing
    returning user_id
)
insert into pgherald.events (type, key, data)
select 'presence_updated', c.user_id, to_json(payload.*)
from come as c
cross join lateral (select c.user_id as "userId", true as "isOnline") as payload
where not exists (select from pgherald.presence as p where p.user_id = c.user_id)`

const presenceLeaveSQL = `
with gone as (
    delete from pgherald.presence as p
    where p.user_id = any($1) and p.replica = $2
    returning p.user_id
)
insert into pgherald.events (type, key, data)
select 'presence_updated', g.user_id, to_json(payload.*)
from gone as g
cross join lateral (select g.user_id as "userId", false as "isOnline") as payload
where not exists (select from pgherald.presence as p where p.user_id = g.user_id and p.replica <> $2)`

const presenceBurySQL = `
with dead as materialized (
    select r.id from pgherald.replicas as r
    where r.last_seen < clock_timestamp() - make_interval(secs => $1)
),
buried as (
    delete from pgherald.replicas as r using dead as d where r.id = d.id
),
gone as (
    delete from pgherald.presence as p using dead as d where p.replica = d.id returning p.user_id
)
insert into pgherald.events (type, key, data)
select 'presence_updated', g.user_id, to_json(payload.*)
from (select distinct gone.user_id from gone) as g
cross join lateral (select g.user_id as "userId", false as "isOnline") as payload
where not exists (
    select from pgherald.presence as p
    where p.user_id = g.user_id and p.replica not in (select d.id from dead as d)
)`

// write gives a sign of life, writes the change, and buries who gave none. alive is false if this
// server was buried: then the change is not written, and nobody has a row.
func (p *Presence) write(ctx context.Context, c change) (alive bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err = pgx.BeginTxFunc(ctx, p.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, presenceLockSQL, int64(presenceLock)); err != nil {
			return err
		}
		inserted, err := tx.Exec(ctx, presenceBeatSQL, p.replica)
		if err != nil {
			return err
		}
		alive = inserted.RowsAffected() == 0
		events, err := p.writeEvents(ctx, tx, c, alive)
		if err != nil || events == 0 {
			return err
		}
		const wake = `select pgherald.wake(json_build_object('op', 'presence', 'rows', $1::bigint, 'xid', pg_current_xact_id()::text))`
		_, err = tx.Exec(ctx, wake, events)
		return err
	})
	return alive, err
}

// writeEvents returns how many events it wrote.
func (p *Presence) writeEvents(ctx context.Context, tx pgx.Tx, c change, alive bool) (events int64, err error) {
	exec := func(sql string, args ...any) {
		if err == nil {
			tag, e := tx.Exec(ctx, sql, args...)
			events, err = events+tag.RowsAffected(), e
		}
	}
	if alive && len(c.leave) > 0 {
		exec(presenceLeaveSQL, c.leave, p.replica)
	}
	if alive && len(c.come) > 0 {
		exec(presenceComeSQL, c.come, p.replica)
	}
	exec(presenceBurySQL, p.opts.Dead.Seconds())
	return events, err
}

package control

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream/status"
)

// maxUsersPerWrite bounds one transaction.
const maxUsersPerWrite = 10_000

// flush writes all changes. Without changes it writes only if a heartbeat is due.
func (p *Presence) flush(ctx context.Context, now time.Time, heartbeat bool) (wrote bool, err error) {
	for {
		c := p.takeChanges(now, maxUsersPerWrite)
		n := len(c.join) + len(c.leave)
		if n == 0 && !heartbeat {
			return wrote, nil
		}
		alive, err := p.write(ctx, c, now)
		switch {
		case err != nil:
			p.retryChanges(c)
			p.watch.forget()
			return wrote, fmt.Errorf("write presence: %w", db.Explain(err))
		case !alive:
			p.rejoin()
		default:
			p.markStored(c)
		}
		wrote, heartbeat = true, false
		if alive && n < maxUsersPerWrite {
			return wrote, nil
		}
	}
}

// heartbeatSQL inserts a row only if the server's row is missing: other servers have expired it and have
// appended events that its users left.
const heartbeatSQL = `
with beat as (
    update pgherald.replicas set last_seen = clock_timestamp(), report = $2 where id = $1 returning id
)
insert into pgherald.replicas (id, report)
select $1, $2::json where not exists (select from beat)`

// otherReplicaSQL returns whether another server has a recent heartbeat. A relay serves no clients.
const otherReplicaSQL = `
select exists (
    select from pgherald.replicas as r
    where
        r.id <> $1 and r.stopped_at is null and r.last_seen >= clock_timestamp() - make_interval(secs => $2)
        and coalesce(r.report ->> 'role', '') <> '` + status.RoleRelay + `'
)`

// joinSQL adds users, and an event for each who is online at no other server. The select from
// pgherald.presence does not see the rows that the same statement inserts.
const joinSQL = `
with joined as (
    insert into pgherald.presence (user_id, replica)
    select u.user_id, $2 from unnest($1::text[]) as u (user_id)
    on conflict do nothing
    returning user_id
)
insert into pgherald.events (type, key, data)
select 'presence_updated', j.user_id, to_json(payload.*)
from joined as j
cross join lateral (select j.user_id as "userId", true as "isOnline") as payload
where not exists (select from pgherald.presence as p where p.user_id = j.user_id)`

// leaveSQL removes users, and adds an event for each who is online at no other server.
const leaveSQL = `
with removed as (
    delete from pgherald.presence as p
    where p.user_id = any($1) and p.replica = $2
    returning p.user_id
)
insert into pgherald.events (type, key, data)
select 'presence_updated', r.user_id, to_json(payload.*)
from removed as r
cross join lateral (select r.user_id as "userId", false as "isOnline") as payload
where not exists (select from pgherald.presence as p where p.user_id = r.user_id and p.replica <> $2)`

// expireSQL removes servers and their users, and adds an event for each user who is online at no other server.
const expireSQL = `
with dead as materialized (
    select d.id from unnest($1::text[]) as d (id)
),
expired as (
    delete from pgherald.replicas as r using dead as d where r.id = d.id
),
removed as (
    delete from pgherald.presence as p using dead as d where p.replica = d.id returning p.user_id
)
insert into pgherald.events (type, key, data)
select 'presence_updated', r.user_id, to_json(payload.*)
from (select distinct removed.user_id from removed) as r
cross join lateral (select r.user_id as "userId", false as "isOnline") as payload
where not exists (
    select from pgherald.presence as p
    where p.user_id = r.user_id and p.replica not in (select d.id from dead as d)
)`

// write commits a heartbeat and the change, and expires servers that are dead. alive is false if this server had been
// expired itself: its users then have no rows, and write does not write the change.
//
// Servers take turns to write: otherwise, two servers from which a user leaves at the same moment could each see the user
// online at the other, and neither would append an event.
func (p *Presence) write(ctx context.Context, c change, now time.Time) (alive bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.opts.WriteTimeout)
	defer cancel()
	err = pgx.BeginTxFunc(ctx, p.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if err := db.Lock(ctx, tx, db.PresenceLock, p.opts.WriteTimeout/2); err != nil {
			return err
		}
		inserted, err := tx.Exec(ctx, heartbeatSQL, p.replica, p.report())
		if err != nil {
			return err
		}
		alive = inserted.RowsAffected() == 0
		var hasOther bool
		if err := tx.QueryRow(ctx, otherReplicaSQL, p.replica, p.opts.Expiry.Seconds()).Scan(&hasOther); err != nil {
			return err
		}
		p.hasOther.Store(hasOther)
		dead, err := p.findDead(ctx, tx, now)
		if err != nil {
			return err
		}
		events, err := p.writeEvents(ctx, tx, c, alive, dead)
		if err != nil || events == 0 {
			return err
		}
		const wake = `select pgherald.wake(json_build_object('op', 'presence', 'rows', $1::bigint, 'xid', pg_current_xact_id()::text))`
		_, err = tx.Exec(ctx, wake, events)
		return err
	})
	return alive, err
}

// report returns what the server says about itself, nil if it says nothing.
func (p *Presence) report() *string {
	said := p.opts.Report()
	if said == nil {
		return nil
	}
	text := string(said)
	return &text
}

// findDead looks at the other servers, twice between two heartbeats at most, and returns those that are dead.
func (p *Presence) findDead(ctx context.Context, tx pgx.Tx, now time.Time) ([]string, error) {
	if !p.watch.isDue(now, p.opts.Heartbeat/2) {
		return nil, nil
	}
	rows, err := tx.Query(ctx, observeSQL, p.replica)
	if err != nil {
		return nil, err
	}
	others, err := pgx.CollectRows(rows, scanObserved)
	if err != nil {
		return nil, err
	}
	return p.watch.observe(now, others), nil
}

// writeEvents writes the change if the server is alive, expires the dead servers, and returns the number of events that
// it appended.
func (p *Presence) writeEvents(ctx context.Context, tx pgx.Tx, c change, alive bool, dead []string) (events int64, err error) {
	exec := func(sql string, args ...any) {
		if err == nil {
			tag, e := tx.Exec(ctx, sql, args...)
			events, err = events+tag.RowsAffected(), e
		}
	}
	if alive && len(c.leave) > 0 {
		exec(leaveSQL, c.leave, p.replica)
	}
	if alive && len(c.join) > 0 {
		exec(joinSQL, c.join, p.replica)
	}
	if len(dead) > 0 {
		exec(expireSQL, dead)
	}
	return events, err
}

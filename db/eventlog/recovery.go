package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream"
)

// errNotRecorded says that PostgreSQL has recovered, and that no server has recorded that yet.
var errNotRecorded = errors.New("record a recovery of PostgreSQL: another statement has to do it first")

// withState is withConn for statements that return the state. If PostgreSQL has recovered since the last one, it
// records that and calls do once more.
func (l *Log) withState(ctx context.Context, timeout time.Duration, do func(context.Context, *pgx.Conn) error) error {
	return l.withConn(ctx, timeout, func(ctx context.Context, conn *pgx.Conn) error {
		err := do(ctx, conn)
		if !errors.Is(err, errNotRecorded) {
			return err
		}
		if err := l.record(ctx, conn); err != nil {
			return err
		}
		return do(ctx, conn)
	})
}

// recordSQL adds the newest recovery, unless another server has done so: then it waits for that server's commit.
//
// Up to pg_last_wal_replay_lsn, PostgreSQL replayed the write-ahead log when it recovered last. It is null if that
// was before the last clean start. If a promotion was missed, the history branched off below that position: so it counts
// only if the last recovery was the one that began this timeline. A crash recovery, also one after a backend has
// crashed, leaves the functions null that say what a standby received, and when the last commit that it replayed was.
//
// timelines are hexadecimal numbers, and each promotion takes the next one.
const recordSQL = `
with newest as materialized (
    select
        r.id,
        r.depth,
        r.timeline
    from pgherald.recoveries as r
    order by r.depth desc, r.at desc
    limit 1
),
now as materialized (
    select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) as timeline
),
added as (
    insert into pgherald.recovered (id)
    values (gen_random_uuid()::text)
    on conflict do nothing
    returning id
)
insert into pgherald.recoveries (id, parent, depth, timeline, replayed)
select
    a.id,
    n.id,
    coalesce(n.depth + 1, 0),
    now.timeline,
    case ('x' || now.timeline)::bit(32)::bigint - ('x' || n.timeline)::bit(32)::bigint
        when 0
        then pg_last_wal_replay_lsn()
        when 1
        then case
            when coalesce(pg_last_wal_receive_lsn()::text, pg_last_xact_replay_timestamp()::text) is not null
            then pg_last_wal_replay_lsn()
        end
    end
from added as a
cross join now
left join newest as n on true
returning id, replayed::text`

// record records the newest recovery. It does not wait for standbys, since none may be there after a failover.
func (l *Log) record(ctx context.Context, conn *pgx.Conn) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `set local synchronous_commit = local`); err != nil {
			return fmt.Errorf("record a recovery of PostgreSQL: %w", err)
		}
		var id string
		var replayed *string
		err := tx.QueryRow(ctx, recordSQL).Scan(&id, &replayed)
		switch {
		case errors.Is(err, pgx.ErrNoRows): // another server was faster
			return nil
		case err != nil:
			return fmt.Errorf("record a recovery of PostgreSQL: %w", err)
		}
		l.logger.Info("recovery of PostgreSQL recorded", "recovery", id, "replayed", replayed)
		return nil
	})
}

// lineageSQL returns the newest recoveries. The end of the last record that was replayed may be the end of a page;
// readers then saw the position behind the next page's header, which has up to 40 bytes. No commit ends in there.
const lineageSQL = `
select
    l.id::text,
    r.id,
    r.parent,
    (r.replayed - '0/0'::pg_lsn)::numeric::bigint
    + case when (r.replayed - '0/0'::pg_lsn) % current_setting('wal_block_size')::numeric = 0 then 40 else 0 end,
    r.confirmed,
    extract(epoch from clock_timestamp() - r.at)::float8
from pgherald.log as l
cross join lateral (
    with recursive chain as (
        select r.*
        from pgherald.recoveries as r
        where r.id = (select c.id from pgherald.recovered as c)
        union all
        select r.*
        from chain as c
        inner join pgherald.recoveries as r on r.id = c.parent
        where r.depth < c.depth
    )
    select * from chain order by depth desc limit $1
) as r`

// maxLineage bounds the recoveries that a cursor may have missed.
const maxLineage = 100

// Lineage returns the newest recoveries, the newest first.
func (l *Log) Lineage(ctx context.Context) (stream.Lineage, error) {
	var lineage stream.Lineage
	isSecond := false
	err := l.withState(ctx, readTimeout, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, lineageSQL, maxLineage)
		if err != nil {
			return err
		}
		lineage, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (stream.Recovery, error) {
			return scanRecovery(row, db.ClusterOf(conn))
		})
		if err == nil && len(lineage) == 0 && !isSecond { // else the row was deleted, and every cursor is unproven
			isSecond = true
			return errNotRecorded
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the recoveries of PostgreSQL: %w", err)
	}
	return lineage, nil
}

func scanRecovery(row pgx.CollectableRow, cluster string) (r stream.Recovery, err error) {
	var logID, id string
	var parent *string
	var survived *int64
	var confirmed []string
	var age float64
	if err := row.Scan(&logID, &id, &parent, &survived, &confirmed, &age); err != nil {
		return r, err
	}
	r.ID, r.Epoch, r.Age = id, epoch(cluster, logID, id), time.Duration(age*float64(time.Second))
	if parent != nil {
		r.Parent = epoch(cluster, logID, *parent)
	}
	if survived != nil {
		r.Survived = uint64(*survived)
	}
	for _, text := range confirmed {
		if c, err := stream.ParseCursor(text); err == nil {
			r.Confirmed = append(r.Confirmed, c)
		}
	}
	return r, nil
}

// newestRecovery returns the id of the newest recovery, and records it if necessary.
func (l *Log) newestRecovery(ctx context.Context) (string, error) {
	if _, err := l.Survivors(ctx, []uint64{}); err != nil { // reads the state
		return "", err
	}
	lineage, err := l.Lineage(ctx)
	if err != nil {
		return "", err
	}
	if len(lineage) == 0 {
		return "", errNotRecorded
	}
	return lineage[0].ID, nil
}

// confirmSQL adds a cursor to a recovery. There is one for each server.
const confirmSQL = `
update pgherald.recoveries
set confirmed = array_append(confirmed, $2)
where id = $1 and $2 <> all(confirmed) and cardinality(confirmed) < 100`

// Confirm records that the transactions of a cursor are in the log after a recovery.
func (l *Log) Confirm(ctx context.Context, r stream.Recovery, c stream.Cursor) error {
	return l.updateRecovery(ctx, "confirm a cursor after a recovery", confirmSQL, r.ID, c.String())
}

// Distrust records that it is not known up to where the log survived a recovery.
func (l *Log) Distrust(ctx context.Context, r stream.Recovery) error {
	return l.updateRecovery(ctx, "correct a recovery", `update pgherald.recoveries set replayed = null, confirmed = '{}' where id = $1`, r.ID)
}

func (l *Log) updateRecovery(ctx context.Context, what, sql string, args ...any) error {
	err := l.withConn(ctx, readTimeout, func(ctx context.Context, conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `set local synchronous_commit = local`); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, sql, args...)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// survivorsSQL describes transactions of the log.
const survivorsSQL = `
select` + stateColumns + `,
    null::xid8 as xid,
    null::bigint as events,
    null::bigint as first,
    null::bigint as last,
    null::timestamptz as began,
    null::timestamptz as ended
from pgherald.log as l
union all
(
    select null, null, null, null, null, e.xid, count(*), min(e.id), max(e.id), min(e.at), max(e.at)
    from pgherald.events as e
    where e.xid = any($1)
    group by e.xid
)`

// Survivors describes those of the transactions that are in the log.
func (l *Log) Survivors(ctx context.Context, xids []uint64) (stream.Survivors, error) {
	var found stream.Survivors
	err := l.withState(ctx, planTimeout, func(ctx context.Context, conn *pgx.Conn) error {
		found = stream.Survivors{Transactions: make(map[uint64]stream.Digest, len(xids))}
		rows, err := conn.Query(ctx, survivorsSQL, xids)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := scanSurvivor(rows, db.ClusterOf(conn), &found); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if err != nil {
		return found, fmt.Errorf("look up transactions after a recovery: %w", err)
	}
	return found, nil
}

func scanSurvivor(rows pgx.Rows, cluster string, found *stream.Survivors) error {
	var logID, recovery, lsn, snapshot *string
	var prunedBelow, xid *uint64
	var events, first, last *int64
	var began, ended *time.Time
	err := rows.Scan(&logID, &recovery, &lsn, &prunedBelow, &snapshot, &xid, &events, &first, &last, &began, &ended)
	if err != nil {
		return err
	}
	if xid != nil {
		found.Transactions[*xid] = stream.Digest{
			Events: int(*events), FirstID: *first, LastID: *last, FirstAt: began.UnixNano(), LastAt: ended.UnixNano(),
		}
		return nil
	}
	raw := rawState{logID: *logID, recovery: recovery, prunedBelow: *prunedBelow, snapshot: *snapshot}
	st, err := raw.parse(cluster)
	found.Epoch, found.PrunedBelow = st.epoch, st.prunedBelow
	return err
}

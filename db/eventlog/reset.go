package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream"
)

// isForeignSQL reports whether the log holds a transaction at or above the snapshot's xmax, which this
// cluster cannot have committed.
const isForeignSQL = `
select
    l.pruned_below > pg_snapshot_xmax(pg_current_snapshot())
    or exists (
        select from pgherald.events as e where e.xid >= pg_snapshot_xmax(pg_current_snapshot())
    )
from pgherald.log as l`

// lockLog keeps two servers from resetting the log at the same time. The limit is far above the time that a prune holds
// the row.
const lockLog = `set local lock_timeout = '60s'; select from pgherald.log for update`

// resetSQL deletes every visible event, because it cannot distinguish restored from new events. No client
// has a cursor with the new id, so no client misses them silently.
const resetSQL = `
with emptied as (
    delete from pgherald.events
)
update pgherald.log set id = gen_random_uuid(), pruned_below = '0'`

// resetTimeout allows for the deletion of millions of events.
const resetTimeout = 10 * time.Minute

// ResetIfForeign empties a log that came from another cluster, such as with a restored dump, and gives
// it a new id. The xids in such a log are higher than those of this cluster, so that new events would
// lie below every cursor. ResetIfForeign reports whether it reset the log. Call it before the first
// read; later, each read recognizes foreign transactions and resets the log by itself.
func (l *Log) ResetIfForeign(ctx context.Context) (isForeign bool, err error) {
	err = l.withConn(ctx, resetTimeout, func(ctx context.Context, conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			// It reads before it locks: a log of this cluster does not wait for a prune, whose server may have gone.
			for _, lock := range []string{"", lockLog} {
				if _, err := tx.Exec(ctx, lock); err != nil {
					return err
				}
				err := tx.QueryRow(ctx, isForeignSQL).Scan(&isForeign)
				if errors.Is(err, pgx.ErrNoRows) { // the first read reports the missing row, with advice
					return nil
				}
				if err != nil || !isForeign {
					return err
				}
			}
			if _, err := tx.Exec(ctx, noStatementTimeout); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, resetSQL)
			return err
		})
	})
	if err != nil {
		return false, fmt.Errorf("check that the log belongs to this cluster: %w", err)
	}
	return isForeign, nil
}

// isForeign reports whether the page shows that the log came, at least in part, from another cluster.
func (p *page) isForeign() bool {
	return p.state.isForeign() || slices.ContainsFunc(p.events, func(e event) bool { return p.state.isFuture(e.xid) })
}

// reset resets a log in which a read has found foreign transactions: a dump was restored into it,
// or a subscription replicates another log into it. The error wraps stream.ErrOtherLog, since the log is
// another one now, unless the reset failed.
func (l *Log) reset(ctx context.Context) error {
	isForeign, err := l.ResetIfForeign(ctx)
	if err != nil {
		return err
	}
	if isForeign { // otherwise another server was faster
		l.shared.resets.Add(1)
		l.logger.Warn("log reset because it received events of another cluster: " +
			"exclude the schema pgherald from restores and from logical replication")
	}
	return fmt.Errorf("%w: it held transactions that this cluster has not begun", stream.ErrOtherLog)
}

// Resets returns how often this server has reset the log because of foreign transactions.
func (l *Log) Resets() uint64 { return l.shared.resets.Load() }

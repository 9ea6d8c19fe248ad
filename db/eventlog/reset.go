package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Is there anything that this cluster cannot have written? What is visible to a snapshot is below its
// end. Locked, so that of several servers one decides.
const isForeignSQL = `
select
    l.pruned_below > pg_snapshot_xmax(pg_current_snapshot())
    or exists (
        select from pgherald.events as e where e.xid >= pg_snapshot_xmax(pg_current_snapshot())
    )
from pgherald.log as l
for update of l`

// Everything that is visible goes: which of it was restored, and which was written since, cannot be
// told. Nobody has a cursor of the new name, so nobody misses it.
const resetSQL = `
with emptied as (
    delete from pgherald.events
)
update pgherald.log set id = gen_random_uuid(), pruned_below = '0'`

// renewTimeout is for millions of events that are deleted.
const resetTimeout = 10 * time.Minute

// Renew empties a log that came from another cluster, as with a dump that was restored, and gives it a
// new name: transactions that have higher numbers than those of this cluster would hide everything that
// is written here. It reports whether it did. It is to be called before the log is read.
func (l *Log) ResetIfForeign(ctx context.Context) (renewed bool, err error) {
	err = l.withConn(ctx, resetTimeout, func(ctx context.Context, conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			err := tx.QueryRow(ctx, isForeignSQL).Scan(&renewed)
			if errors.Is(err, pgx.ErrNoRows) { // whoever reads the log says what to do
				return nil
			}
			if err != nil || !renewed {
				return err
			}
			if _, err := tx.Exec(ctx, noStatementTimeout); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, resetSQL)
			return err
		})
	})
	if err != nil {
		return false, fmt.Errorf("see if the log is of this cluster: %w", err)
	}
	return renewed, nil
}

package eventlog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const boundsSQL = `
select
    l.pruned_below,
    pg_snapshot_xmax(pg_current_snapshot())
from pgherald.log as l`

// Bounds returns the horizon, and the id from which on no transaction has begun.
func (l *Log) Bounds(ctx context.Context) (prunedBelow, next uint64, err error) {
	err = l.withConn(ctx, readTimeout, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, boundsSQL).Scan(&prunedBelow, &next)
	})
	if err != nil {
		return 0, 0, fmt.Errorf("read the bounds of the log: %w", err)
	}
	return prunedBelow, next, nil
}

package eventlog

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream/status"
)

// figuresTimeout bounds the look at the log's figures.
const figuresTimeout = 3 * time.Second

// figuresSQL estimates the events as the planner does: by the rows of a page when the table was last vacuumed. Before
// that, the statistics count rows.
const figuresSQL = `
select
    coalesce(
        case when c.reltuples > 0 and c.relpages > 0
            then (c.reltuples / c.relpages * (pg_relation_size(c.oid) / current_setting('block_size')::bigint))::bigint
        end,
        greatest(pg_stat_get_live_tuples(c.oid), 0)
    ) as events,
    pg_total_relation_size(c.oid) as bytes,
    (select e.at from pgherald.events as e order by e.xid, e.id limit 1) as oldest,
    (select e.at from pgherald.events as e order by e.xid desc, e.id desc limit 1) as newest,
    (select l.pruned_below from pgherald.log as l) as horizon,
    pg_notification_queue_usage() as queue_usage
from pg_class as c
where c.oid = 'pgherald.events'::regclass`

// Figures returns what the database knows of the log: without the limits.
func (l *Log) Figures(ctx context.Context) (f status.LogFigures, err error) {
	ctx, cancel := context.WithTimeout(ctx, figuresTimeout)
	defer cancel()
	err = l.withConn(ctx, readTimeout, func(ctx context.Context, conn *pgx.Conn) error {
		var oldest, newest *time.Time
		var horizon *uint64
		if err := conn.QueryRow(ctx, figuresSQL).Scan(&f.Events, &f.Bytes, &oldest, &newest, &horizon, &f.QueueUsage); err != nil {
			return err
		}
		if oldest != nil && newest != nil {
			f.Oldest, f.Newest = oldest.UTC(), newest.UTC()
		}
		if horizon != nil {
			f.Horizon = *horizon
		}
		return nil
	})
	if err != nil {
		return status.LogFigures{}, fmt.Errorf("read the figures of the log: %w", err)
	}
	return f, nil
}

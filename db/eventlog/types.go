package eventlog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// recentTypesSQL returns the types of the newest events. It reads few pages, since events of a time are next to each other.
const recentTypesSQL = `
select distinct r.type
from (
    select e.type
    from pgherald.events as e
    order by e.xid desc, e.id desc
    limit 10000
) as r
where octet_length(r.type) <= ` + maxName + `
limit 1000`

// RecentTypes returns the types of the newest 10,000 events, at most 1,000.
func (l *Log) RecentTypes(ctx context.Context) ([]string, error) {
	var types []string
	err := l.withConn(ctx, readTimeout, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, recentTypesSQL)
		if err != nil {
			return err
		}
		types, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up the types of recent events: %w", err)
	}
	return types, nil
}

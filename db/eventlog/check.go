package eventlog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream"
)

// maxCount bounds the events that Check counts.
const maxCount = 10_000

// checkSQL returns the number of unseen events: null if there are more than $2, or if some have an audience.
const checkSQL = `
select` + stateColumns + `,
    (
        select case when count(*) <= $2::bigint and count(u.audience) = 0 then count(*) end
        from (
            (
                select case when e.audience is not null then 1 end as audience
                from pgherald.events as e
                where e.xid >= $1
                limit $2::bigint + 1
            )
            union all
            (
                select case when e.audience is not null then 1 end
                from pgherald.events as e
                where e.xid = any(` + endedHolesBegin + `$3` + endedHolesEnd + `)
                limit $2::bigint + 1
            )
        ) as u
    ) as events
from pgherald.log as l`

// Check returns the number of events that from has not seen; -1 if there are many or if some of them have an
// audience. The error is like Read's.
func (l *Log) Check(ctx context.Context, from stream.Cursor) (int, error) {
	var st state
	var events *int64
	err := l.withState(ctx, readTimeout, func(ctx context.Context, conn *pgx.Conn) (err error) {
		var raw rawState
		row := conn.QueryRow(ctx, checkSQL, from.Next(), maxCount, holesParam(from))
		if err := raw.scan(row, &events); err != nil {
			return err
		}
		st, err = raw.parse(db.ClusterOf(conn))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("check a cursor: %w", err)
	}
	if st.isForeign() {
		return 0, l.reset(ctx)
	}
	if err := st.validateCursor(from); err != nil {
		return 0, err
	}
	if events == nil {
		return -1, nil
	}
	return int(*events), nil
}

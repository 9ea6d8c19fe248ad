package consumers

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
)

// ErrUnknown says that there is no consumer of that name.
var ErrUnknown = errors.New("there is no such consumer: pgherald forward makes one at its first start")

// List returns parked events of a consumer, the oldest first, at most max.
func List(ctx context.Context, pool *db.Pool, name string, max int) ([]Parked, error) {
	const sql = `
select` + parkedColumns + `
from pgherald.parked as p
where p.consumer = $1
order by p.id, p.place
limit $2`
	if err := check(ctx, pool, name); err != nil {
		return nil, fmt.Errorf("list the parked events of %s: %w", name, err)
	}
	found, err := collect(ctx, pool, pgx.RowToStructByPos[Parked], sql, name, max)
	if err != nil {
		return nil, fmt.Errorf("list the parked events of %s: %w", name, err)
	}
	return found, nil
}

// Replay makes the lanes of parked events due: the runner sends them again, in their order. Without ids it takes all. It returns the number
// of events that will be sent.
func Replay(ctx context.Context, pool *db.Pool, name string, ids []int64) (int64, error) {
	const sql = `
update pgherald.parked as p
set is_due = true
where p.consumer = $1 and ($2::bigint [] is null or p.lane in (
    select o.lane from pgherald.parked as o where o.consumer = $1 and o.id = any($2)
))`
	return change(ctx, pool, "replay", sql, name, ids)
}

// Drop removes parked events: they are never sent. Without ids it removes all. It returns their number.
func Drop(ctx context.Context, pool *db.Pool, name string, ids []int64) (int64, error) {
	const sql = `
delete from pgherald.parked as p
where p.consumer = $1 and ($2::bigint [] is null or p.id = any($2))`
	return change(ctx, pool, "drop", sql, name, ids)
}

func change(ctx context.Context, pool *db.Pool, verb, sql, name string, ids []int64) (int64, error) {
	err := check(ctx, pool, name)
	if err == nil {
		tag, failed := pool.Exec(ctx, sql, name, ids)
		if failed == nil {
			return tag.RowsAffected(), nil
		}
		err = db.Explain(failed)
	}
	return 0, fmt.Errorf("%s the parked events of %s: %w", verb, name, err)
}

// check returns ErrUnknown if there is no consumer of that name.
func check(ctx context.Context, pool *db.Pool, name string) error {
	const sql = `select true from pgherald.consumers as c where c.name = $1 and c.forwards_to is not null`
	var exists bool
	err := pool.QueryRow(ctx, sql, name).Scan(&exists)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrUnknown
	}
	return db.Explain(err)
}

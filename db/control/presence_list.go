package control

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream"
)

// Head returns the cursor of the snapshot of a REPEATABLE READ transaction.
type Head func(ctx context.Context, tx pgx.Tx) (stream.Cursor, error)

// PresenceList reads which users are online at any server, from pgherald.presence.
type PresenceList struct {
	pool Pool
	head Head
}

// NewPresenceList returns the presence list of the pool's database.
func NewPresenceList(pool Pool, head Head) *PresenceList {
	return &PresenceList{pool: pool, head: head}
}

const onlineSQL = `
select p.user_id, min(p.since) as since
from pgherald.presence as p
group by p.user_id`

// Online returns the users who are online, each with the time since when, and the cursor of the same
// snapshot: a stream that continues after the cursor delivers every later change.
func (l *PresenceList) Online(ctx context.Context) (since map[string]time.Time, cursor stream.Cursor, err error) {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, l.pool, options, func(tx pgx.Tx) error {
		if since, err = queryOnline(ctx, tx); err != nil {
			return err
		}
		cursor, err = l.head(ctx, tx)
		return err
	})
	if err != nil {
		return nil, stream.Cursor{}, fmt.Errorf("list the online users: %w", err)
	}
	return since, cursor, nil
}

func queryOnline(ctx context.Context, tx pgx.Tx) (map[string]time.Time, error) {
	rows, err := tx.Query(ctx, onlineSQL)
	if err != nil {
		return nil, err
	}
	online := make(map[string]time.Time)
	var user string
	var since time.Time
	_, err = pgx.ForEachRow(rows, []any{&user, &since}, func() error {
		online[user] = since
		return nil
	})
	return online, err
}

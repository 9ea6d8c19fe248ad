package forward

import (
	"context"
	"encoding/json"
	"time"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/consumers"
)

// Parked is a parked event, as operators see it.
type Parked struct {
	ID       int64           `json:"id"`
	Type     string          `json:"type"`
	Key      string          `json:"key,omitempty"`
	At       time.Time       `json:"parked_at"`
	Attempts int             `json:"attempts"`
	Failure  string          `json:"failure,omitempty"` // empty if it waits for an earlier event of its key
	IsDue    bool            `json:"due"`
	Event    json.RawMessage `json:"event"`
}

// List returns parked events of a consumer, the oldest first, at most max.
func List(ctx context.Context, databaseURL, name string, max int) (parked []Parked, err error) {
	err = withPool(ctx, databaseURL, func(pool *db.Pool) error {
		found, err := consumers.List(ctx, pool, name, max)
		for _, p := range found {
			parked = append(parked, Parked{p.ID, p.Type, p.Key, p.At, p.Attempts, p.Failure, p.IsDue, p.Envelope})
		}
		return err
	})
	return parked, err
}

// Replay makes parked events due, and returns their number. Without ids it takes all.
func Replay(ctx context.Context, databaseURL, name string, ids []int64) (n int64, err error) {
	err = withPool(ctx, databaseURL, func(pool *db.Pool) (err error) {
		n, err = consumers.Replay(ctx, pool, name, ids)
		return err
	})
	return n, err
}

// Drop removes parked events, and returns their number. Without ids it takes all.
func Drop(ctx context.Context, databaseURL, name string, ids []int64) (n int64, err error) {
	err = withPool(ctx, databaseURL, func(pool *db.Pool) (err error) {
		n, err = consumers.Drop(ctx, pool, name, ids)
		return err
	})
	return n, err
}

func withPool(ctx context.Context, databaseURL string, do func(*db.Pool) error) error {
	pool, err := db.OpenPool(ctx, databaseURL, db.PoolOptions{Name: "pgherald forward", Size: 1, Timeout: statementTime})
	if err != nil {
		return err
	}
	defer pool.Close()
	return do(pool)
}

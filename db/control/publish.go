package control

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Publisher appends custom events to the event log with the SQL function pgherald.publish.
type Publisher struct{ pool *pgxpool.Pool }

// NewPublisher returns a publisher for the pool's database.
func NewPublisher(pool *pgxpool.Pool) *Publisher { return &Publisher{pool: pool} }

const publishSQL = `select pgherald.publish($1, $2, $3, $4)`

// Publish appends an event in a transaction of its own and returns its id. A nil key is no key; a nil audience is all clients,
// an empty one none. The error is that of PostgreSQL, unchanged: pgherald.publish validates its arguments.
func (p *Publisher) Publish(ctx context.Context, eventType string, data json.RawMessage, key *string, audience []string) (id int64, err error) {
	err = p.pool.QueryRow(ctx, publishSQL, eventType, data, key, audience).Scan(&id)
	return id, err
}

package control

import (
	"context"
	"encoding/json"
)

// Publisher appends custom events to the event log with the SQL function pgherald.publish.
type Publisher struct{ pool Pool }

// NewPublisher returns a publisher for the pool's database.
func NewPublisher(pool Pool) *Publisher { return &Publisher{pool: pool} }

const publishSQL = `select pgherald.publish($1, $2, $3, $4)`

// Publish appends an event in a transaction of its own and returns its id. With a nil key the event has
// no key. A nil audience makes it public, an empty one withholds it from every client. pgherald.publish
// validates the arguments; Publish returns PostgreSQL's error unchanged.
func (p *Publisher) Publish(ctx context.Context, eventType string, data json.RawMessage, key *string, audience []string) (id int64, err error) {
	err = p.pool.QueryRow(ctx, publishSQL, eventType, data, key, audience).Scan(&id)
	return id, err
}

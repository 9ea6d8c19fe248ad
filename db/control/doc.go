// Package control owns the tables with which servers coordinate: presence and replicas, tickets,
// renewals, and revocations. It also publishes custom events.
//
// # Promises
//
//   - A user is online while any server has a stream of that user, and for a grace period after the
//     last one closed. Each time a user goes online or offline, one presence_updated event is appended,
//     however many servers are involved.
//   - If a server is killed or cut off, the others expire it and its users.
//   - Presence.Opened and Presence.Closed never wait for the database. During an outage of the database
//     no change of presence is lost.
package control

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Pool runs statements and transactions: a *db.Pool, or a *pgxpool.Pool in tests.
type Pool interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	BeginTx(ctx context.Context, opts pgx.TxOptions) (pgx.Tx, error)
}

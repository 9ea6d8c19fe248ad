package pgtest

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Refusing stands for a server that refuses every connection at once, as one at its limit of connections does. It needs no
// network, so it works in a bubble of testing/synctest.
type Refusing struct{ attempts atomic.Int64 }

// Attempts returns how many connections were attempted.
func (r *Refusing) Attempts() int { return int(r.attempts.Load()) }

// Apply makes connections with a configuration fail.
func (r *Refusing) Apply(config *pgx.ConnConfig) {
	config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	config.DialFunc = func(context.Context, string, string) (net.Conn, error) {
		r.attempts.Add(1)
		return nil, errors.New("connection refused by the test")
	}
}

// URL returns a URL for a configuration to which Apply is applied.
func (r *Refusing) URL() string { return "postgres://pgherald@127.0.0.1:1/pgherald?sslmode=disable" }

// Pool returns a pool without a connection. Close it before the bubble ends.
func (r *Refusing) Pool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	r.Apply(config.ConnConfig)
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

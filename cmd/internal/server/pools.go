package server

import (
	"context"
	"fmt"
	"time"

	"github.com/pgherald/pgherald/db"
)

// The API has a pool for each kind of operation, so that those of one kind cannot take the connections of
// another: thousands of slow lists must delay neither writes nor the tickets that open streams. The pools are
// small: PostgreSQL answers a list in milliseconds, and more connections than processors only wait for each
// other. docs/operations.md states their sum.
const (
	listConns    = 4
	writeConns   = 4
	controlConns = 3

	// listTimeout bounds a statement of a list. A page takes milliseconds, unless its filter fits no index.
	listTimeout = 5 * time.Second
	// writeTimeout bounds a statement of a write, with its waits for locks.
	writeTimeout = 8 * time.Second
	// controlTimeout bounds a statement of a ticket, a renewal or a custom event.
	controlTimeout = 5 * time.Second
)

// pools are the pools of the API by their names, which are the values of the label pool of the metrics.
type pools map[string]*db.Pool

// open adds a pool, which connects when it is used.
func (p pools) open(ctx context.Context, name, url string, size int, timeout time.Duration) (*db.Pool, error) {
	pool, err := db.OpenPool(ctx, url, db.PoolOptions{Name: "pgherald " + name, Size: size, Timeout: timeout})
	if err != nil {
		return nil, fmt.Errorf("open connections for the API: %w", err)
	}
	p[name] = pool
	return pool, nil
}

func (p pools) close() {
	for _, pool := range p {
		pool.Close()
	}
}

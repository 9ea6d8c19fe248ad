package db

import (
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// acquireTimeout bounds the wait for a connection of a Pool. It leaves half of a request's ten seconds to its statements.
const acquireTimeout = 5 * time.Second

// NoConnectionError reports that all connections of a pool stayed in use. The database works: it is not a reason to
// close connections, nor to call the server unready.
type NoConnectionError struct {
	Pool string // the name of the pool
	err  error
}

// Error says which pool is full.
func (e *NoConnectionError) Error() string {
	return "no connection of the pool " + e.Pool + " became free: " + e.err.Error()
}

// Unwrap returns the error of the wait.
func (e *NoConnectionError) Unwrap() error { return e.err }

// PoolFull lets package problem recognize the error.
func (e *NoConnectionError) PoolFull() string { return e.Pool }

// NoConnection returns the error for a wait for a connection that ended with err, if all connections of the pool are in
// use. Otherwise it returns nil: the reason is the database.
func NoConnection(pool *pgxpool.Pool, err error) error {
	if s := pool.Stat(); s.AcquiredConns() < s.MaxConns() {
		return nil
	}
	return &NoConnectionError{Pool: pool.Config().ConnConfig.RuntimeParams["application_name"], err: err}
}

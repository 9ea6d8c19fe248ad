package db

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// PoolOptions configures a Pool. All fields are required.
type PoolOptions struct {
	// Name is the application name of its connections.
	Name string
	// Size is the maximum number of connections.
	Size int
	// Timeout bounds each statement, in PostgreSQL too: it holds for a client that has gone, and through a pooler.
	Timeout time.Duration
}

// Pool is a pool for short transactions, which may lead through a pooler in transaction mode. It keeps nothing
// in a session, because the next transaction there may be another program's: settings are those of the
// transaction, and every statement runs in one.
type Pool struct {
	pool     *pgxpool.Pool
	settings string
	refused  atomic.Uint64
	// abandoned is how long the statements of a request go on without its client.
	abandoned time.Duration
}

// OpenPool makes a pool that connects when it is used.
func OpenPool(ctx context.Context, url string, opts PoolOptions) (*Pool, error) {
	config, err := ParsePooled(url, opts.Name)
	if err != nil {
		return nil, fmt.Errorf("parse the database URL: %w", err)
	}
	config.MaxConns = int32(opts.Size)
	prepareWith(config, boundPooled)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the pool %s: %w", opts.Name, err)
	}
	return &Pool{pool: pool, settings: localSettings(opts.Timeout), abandoned: abandonedLimit}, nil
}

// localSettings returns the statements that follow BEGIN. A pooler refuses these settings in the startup packet
// unless it is configured to ignore them.
func localSettings(timeout time.Duration) string {
	return "; set local search_path = pg_catalog, pg_temp" +
		"; set local statement_timeout = " + strconv.FormatInt(max(1, timeout.Milliseconds()), 10)
}

// BeginTx begins a transaction. It takes one round trip, with the settings. The error is a *NoConnectionError if all
// connections stay in use.
func (p *Pool) BeginTx(ctx context.Context, opts pgx.TxOptions) (pgx.Tx, error) {
	tx, err := p.begin(ctx, opts, func(*pgx.Conn) string { return "" })
	if err != nil {
		return nil, err
	}
	return tx, nil
}

// begin begins a transaction that commits with the statements that commit returns; none are a COMMIT.
func (p *Pool) begin(ctx context.Context, opts pgx.TxOptions, commit func(*pgx.Conn) string) (*pooledTx, error) {
	conn, err := p.acquire(ctx)
	if err != nil {
		return nil, err
	}
	lasting, end := outlast(ctx, p.abandoned)
	defer end()
	tx, err := conn.BeginTx(lasting, pgx.TxOptions{
		BeginQuery: beginSQL(opts) + p.settings + localBounds(conn.Conn()), CommitQuery: commit(conn.Conn()),
	})
	if err != nil {
		conn.Release()
		return nil, err
	}
	return &pooledTx{Tx: tx, conn: conn, abandoned: p.abandoned}, nil
}

// beginSQL returns BEGIN with the options. Other statements may follow.
func beginSQL(opts pgx.TxOptions) string {
	sql := "begin"
	if opts.IsoLevel != "" {
		sql += " isolation level " + string(opts.IsoLevel)
	}
	if opts.AccessMode != "" {
		sql += " " + string(opts.AccessMode)
	}
	return sql
}

// acquire waits for a connection, at most for acquireTimeout.
func (p *Pool) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	waiting, cancel := context.WithTimeout(ctx, acquireTimeout)
	defer cancel()
	conn, err := p.pool.Acquire(waiting)
	if err != nil && waiting.Err() != nil && !errors.Is(ctx.Err(), context.Canceled) {
		if full := NoConnection(p.pool, err); full != nil {
			p.refused.Add(1)
			return nil, full
		}
	}
	return conn, err
}

// pooledTx is a transaction, which gives its connection back at its end, or a savepoint of one.
type pooledTx struct {
	pgx.Tx
	conn      *pgxpool.Conn // nil after the end, and in a savepoint
	abandoned time.Duration // see Pool
	ends      []func()      // of the contexts of its statements
}

// Commit commits, and gives the connection back.
func (t *pooledTx) Commit(ctx context.Context) error {
	defer t.release()
	return t.Tx.Commit(t.lasting(ctx))
}

// Rollback rolls back, and gives the connection back.
func (t *pooledTx) Rollback(ctx context.Context) error {
	defer t.release()
	return t.Tx.Rollback(t.lasting(ctx))
}

func (t *pooledTx) release() {
	for _, end := range t.ends {
		end()
	}
	t.ends = nil
	if t.conn != nil {
		t.conn.Release()
		t.conn = nil
	}
}

// Exec runs a statement in a transaction of its own, which is READ COMMITTED.
func (p *Pool) Exec(ctx context.Context, sql string, args ...any) (tag pgconn.CommandTag, err error) {
	err = p.transact(ctx, func(tx pgx.Tx) error {
		tag, err = tx.Exec(ctx, sql, args...)
		return err
	})
	return tag, err
}

// QueryRow returns a row whose Scan runs the query in a transaction of its own, which is READ COMMITTED. It
// commits although there may be no row.
func (p *Pool) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return scanner(func(values ...any) error {
		var none error
		err := p.transact(ctx, func(tx pgx.Tx) error {
			err := tx.QueryRow(ctx, sql, args...).Scan(values...)
			if errors.Is(err, pgx.ErrNoRows) {
				none = err
				return nil
			}
			return err
		})
		return errors.Join(err, none)
	})
}

func (p *Pool) transact(ctx context.Context, do func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, p, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, do)
}

// scanner implements pgx.Row.
type scanner func(values ...any) error

func (s scanner) Scan(values ...any) error { return s(values...) }

// Ping connects, if no connection is idle, and waits for an answer.
func (p *Pool) Ping(ctx context.Context) error { return p.pool.Ping(ctx) }

// Refused returns how often no connection became free in time.
func (p *Pool) Refused() uint64 { return p.refused.Load() }

// Stat returns the figures of the pool.
func (p *Pool) Stat() *pgxpool.Stat { return p.pool.Stat() }

// Close closes the connections. It waits for those in use.
func (p *Pool) Close() { p.pool.Close() }

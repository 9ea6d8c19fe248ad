package db

import (
	"context"
	"errors"
	"fmt"
	"strconv"
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
}

// OpenPool makes a pool that connects when it is used.
func OpenPool(ctx context.Context, url string, opts PoolOptions) (*Pool, error) {
	config, err := ParsePooled(url, opts.Name)
	if err != nil {
		return nil, fmt.Errorf("parse the database URL: %w", err)
	}
	config.MaxConns = int32(opts.Size)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the pool %s: %w", opts.Name, err)
	}
	return &Pool{pool: pool, settings: localSettings(opts.Timeout)}, nil
}

// localSettings returns the statements that follow BEGIN. A pooler refuses these settings in the startup packet
// unless it is configured to ignore them.
func localSettings(timeout time.Duration) string {
	return "; set local search_path = pg_catalog, pg_temp" +
		"; set local statement_timeout = " + strconv.FormatInt(max(1, timeout.Milliseconds()), 10)
}

// BeginTx begins a transaction. It takes one round trip, with the settings.
func (p *Pool) BeginTx(ctx context.Context, opts pgx.TxOptions) (pgx.Tx, error) {
	begin := "begin"
	if opts.IsoLevel != "" {
		begin += " isolation level " + string(opts.IsoLevel)
	}
	if opts.AccessMode != "" {
		begin += " " + string(opts.AccessMode)
	}
	return p.pool.BeginTx(ctx, pgx.TxOptions{BeginQuery: begin + p.settings})
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

// Stat returns the figures of the pool.
func (p *Pool) Stat() *pgxpool.Stat { return p.pool.Stat() }

// Close closes the connections. It waits for those in use.
func (p *Pool) Close() { p.pool.Close() }

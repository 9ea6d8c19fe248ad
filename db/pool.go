package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// MinVersion is the oldest PostgreSQL that works, as in server_version_num: xid8 and
// pg_current_snapshot came with 13.
const MinVersion = 130000

// ErrStandby is returned for a server that is in recovery: it can neither LISTEN nor write.
var ErrStandby = errors.New("the server is a standby: connect to the primary")

// logPoolSettings are for statements on the log alone. The log grows while connections last,
// and its statistics lag behind: a plan that was cheap on a small table must never turn into a
// scan of a large one. Each statement here has an index that it must use.
//
// Whatever the database's default is, they are not serializable: a reader that were would be a part of
// the writers' conflicts, and make transactions of theirs fail.
const logPoolSettings = `
set default_transaction_isolation = 'read committed';
set enable_seqscan = off;
set plan_cache_mode = force_generic_plan;
set max_parallel_workers_per_gather = 0;
set jit = off;
set statement_timeout = '60s'`

// mayBeIdleSQL keeps the server from ending a session of ours that has nothing to do. The setting came
// with PostgreSQL 14.
const AllowIdleSQL = `
select set_config(s.name, '0', false)
from pg_settings as s
where s.name = 'idle_session_timeout'`

// introduce says who connects.
func SetApplicationName(config *pgx.ConnConfig, name string) {
	config.RuntimeParams["application_name"] = name
	UseUTF8(config)
}

// SpeakUTF8 is for a database of another encoding: what comes from a spec or a request is UTF-8, and JSON
// has to be.
func UseUTF8(config *pgx.ConnConfig) { config.RuntimeParams["client_encoding"] = "UTF8" }

// clusterKey is the key of a connection's custom data that holds the name of its cluster and database.
const clusterKey = "pgherald.cluster"

// ClusterOf returns the name of the cluster and database that a connection of OpenLogPool leads to.
func ClusterOf(conn *pgx.Conn) string {
	name, _ := conn.PgConn().CustomData()[clusterKey].(string)
	return name
}

// OpenLogPool opens the connections that read and prune the log, at most size of them. They
// keep settings for the session, so url must not lead through a transaction-mode pooler.
//
// It connects once, and returns an error that says what to do if the server is too old, is a
// standby or cannot be reached.
func OpenLogPool(ctx context.Context, url string, size int) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read database URL: %w", err)
	}
	config.MaxConns = int32(size)
	SetApplicationName(config.ConnConfig, "pgherald log")
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	config.PingTimeout = 2 * time.Second
	config.AfterConnect = prepareLogConn
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open connections to the log: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	return pool, nil
}

func prepareLogConn(ctx context.Context, conn *pgx.Conn) error {
	cluster, err := inspect(ctx, conn)
	if err != nil {
		return err
	}
	conn.PgConn().CustomData()[clusterKey] = cluster
	if _, err := conn.Exec(ctx, logPoolSettings+";"+AllowIdleSQL); err != nil {
		return fmt.Errorf("set up connection: %w", err)
	}
	return nil
}

const inspectSQL = `
select
    current_setting('server_version_num')::int,
    current_setting('server_version'),
    pg_is_in_recovery(),
    d.oid::text,
    has_function_privilege('pg_control_system()', 'execute')
from pg_database as d
where d.datname = current_database()`

// inspect refuses a server that cannot work, and returns a name of the cluster and database.
func inspect(ctx context.Context, conn *pgx.Conn) (string, error) {
	var number int
	var version, database string
	var standby, mayAsk bool
	row := conn.QueryRow(ctx, inspectSQL)
	if err := row.Scan(&number, &version, &standby, &database, &mayAsk); err != nil {
		return "", fmt.Errorf("ask the server for its version: %w", err)
	}
	if number < MinVersion {
		return "", fmt.Errorf("PostgreSQL %s is too old: pgherald needs 13 or newer", version)
	}
	if standby {
		return "", ErrStandby
	}
	if !mayAsk {
		return database, nil
	}
	var system string
	if err := conn.QueryRow(ctx, `select system_identifier::text from pg_control_system()`).Scan(&system); err != nil {
		return "", fmt.Errorf("ask the server for its identity: %w", err)
	}
	return system + "/" + database, nil
}

// Check refuses a server that cannot work: too old, or a standby.
func CheckServer(ctx context.Context, conn *pgx.Conn) error {
	_, err := inspect(ctx, conn)
	return err
}

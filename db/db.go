// Package db holds what its sub-packages share: sessions and pools with their settings, the checks of a
// server, snapshots, and errors with advice. The sub-packages do the work:
//
//   - bounds limits how long a connection outlives its client, and a client waits for a server that has gone.
//   - eventlog reads, prunes and monitors the event log (pgherald.events and pgherald.log).
//   - notify listens for wake-ups, and sends them for the writers while those are many.
//   - control keeps the other tables of the schema pgherald: presence, tickets, renewals.
//   - postgres finds, fetches and runs a PostgreSQL server, for the demo and the tests.
//   - pgtest gives each test a database of its own.
//
// # Promises
//
//   - No statement uses an object that another role put into a schema of the search path. Sessions of our
//     own begin with PinSQL. Sessions that a pooler may share set the path for each transaction (Pool): a
//     setting of the session would reach other programs.
//   - The sessions of the log pool run READ COMMITTED, so they never make a serializable writer fail.
//     They set every planner setting that they depend on, and PostgreSQL does not end them when idle.
//   - A Pool works through a pooler in transaction mode, and leaves nothing in a session. Whatever the URL
//     says, each kind of connection runs its statements in the mode that it needs.
//   - No package here keeps a snapshot or a lock, or stops reading notifications, because a client is
//     slow.
package db

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db/bounds"
)

// MinVersion is the oldest supported PostgreSQL, as in server_version_num: xid8 and
// pg_current_snapshot came with 13.
const MinVersion = 130000

// ErrStandby reports a server in recovery. Such a server accepts neither LISTEN nor writes.
var ErrStandby = errors.New("the server is a standby: connect to the primary")

// PinSQL keeps the objects of other schemas out of a session's statements. It must run before any other
// statement, and only in a session that no pooler shares.
const PinSQL = `set search_path = pg_catalog, pg_temp`

// logSessionSettings prepares a session that runs statements on the event log only.
//
// The planner settings enforce index scans. The log grows while a session lasts and its statistics lag
// behind, so a cached sequential scan that was cheap on a small table would become expensive.
//
// READ COMMITTED overrides the database's default. A serializable reader takes part in the writers'
// conflicts and can make their transactions fail.
const logSessionSettings = PinSQL + `;
set default_transaction_isolation = 'read committed';
set enable_seqscan = off;
set plan_cache_mode = force_generic_plan;
set max_parallel_workers_per_gather = 0;
set jit = off;
set statement_timeout = '60s'`

// AllowIdleSQL keeps the server from ending an idle session. The setting came with PostgreSQL 14;
// the statement does nothing on 13. The session must be pinned.
const AllowIdleSQL = `
select pg_catalog.set_config(s.name, '0', false)
from pg_catalog.pg_settings as s
where s.name = 'idle_session_timeout'`

// clusterKey is the key of the connection's custom data under which the name of its cluster and
// database is stored.
const clusterKey = "pgherald.cluster"

// ClusterOf returns the name of the cluster and database of a connection from OpenLogPool's pool. Two
// clusters never have the same name, unless the role may not read the system identifier.
func ClusterOf(conn *pgx.Conn) string {
	name, _ := conn.PgConn().CustomData()[clusterKey].(string)
	return name
}

// OpenLogPool opens a pool of at most size connections for statements on the event log. The
// connections keep session settings, so url must not lead through a transaction-mode pooler.
//
// It connects once. The error says what to do if the server is too old, is a standby or cannot be
// reached.
func OpenLogPool(ctx context.Context, url string, size int) (*pgxpool.Pool, error) {
	return OpenSessionPool(ctx, url, "pgherald log", size)
}

// OpenSessionPool opens a pool like that of OpenLogPool with another application name.
func OpenSessionPool(ctx context.Context, url, name string, size int) (*pgxpool.Pool, error) {
	config, err := parseURL(url, name, pgx.QueryExecModeCacheStatement)
	if err != nil {
		return nil, fmt.Errorf("parse the database URL: %w", err)
	}
	config.MaxConns = int32(size)
	config.PingTimeout = 2 * time.Second
	prepareWith(config, prepareLogSession)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open connections to the log: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("connect to the database: %w", ExplainSession(err))
	}
	return pool, nil
}

func prepareLogSession(ctx context.Context, conn *pgx.Conn) error {
	cluster, err := inspectServer(ctx, conn)
	if err != nil {
		return err
	}
	conn.PgConn().CustomData()[clusterKey] = cluster
	if _, err := conn.Exec(ctx, logSessionSettings+";"+AllowIdleSQL+";"+bounds.SessionSQL); err != nil {
		return fmt.Errorf("set up a connection to the log: %w", err)
	}
	return nil
}

// inspectSQL runs before a session is pinned, so it qualifies everything.
const inspectSQL = `
select
    pg_catalog.current_setting('server_version_num')::pg_catalog.int4,
    pg_catalog.current_setting('server_version'),
    pg_catalog.pg_is_in_recovery(),
    d.oid::pg_catalog.text,
    pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'execute')
from pg_catalog.pg_database as d
where d.datname operator(pg_catalog.=) pg_catalog.current_database()`

// inspectServer returns the name of the cluster and database: SYSTEM_IDENTIFIER/OID, or the oid alone
// if the role may not read the system identifier. It returns the same errors as CheckServer.
func inspectServer(ctx context.Context, conn *pgx.Conn) (string, error) {
	var number int
	var version, database string
	var isStandby, canIdentify bool
	row := conn.QueryRow(ctx, inspectSQL)
	if err := row.Scan(&number, &version, &isStandby, &database, &canIdentify); err != nil {
		return "", fmt.Errorf("read the server's version: %w", err)
	}
	if number < MinVersion {
		return "", fmt.Errorf("PostgreSQL %s is too old: pgherald needs 13 or newer", version)
	}
	if isStandby {
		return "", ErrStandby
	}
	if !canIdentify {
		return database, nil
	}
	var system string
	if err := conn.QueryRow(ctx, `select s.system_identifier::pg_catalog.text from pg_catalog.pg_control_system() as s`).Scan(&system); err != nil {
		return "", fmt.Errorf("read the server's system identifier: %w", err)
	}
	return system + "/" + database, nil
}

// CheckServer returns an error if the server is older than MinVersion, and ErrStandby if it is in
// recovery.
func CheckServer(ctx context.Context, conn *pgx.Conn) error {
	_, err := inspectServer(ctx, conn)
	return err
}

// Snapshot is a pg_snapshot. It says which transactions had ended when a statement began: all below
// Xmax, except those in Running.
type Snapshot struct {
	Xmax    uint64
	Running []uint64 // ascending, as PostgreSQL lists them
}

// ParseSnapshot parses the text form, xmin:xmax:xip_list.
func ParseSnapshot(s string) (Snapshot, error) {
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return Snapshot{}, fmt.Errorf("parse snapshot %q: want xmin:xmax:xip_list", s)
	}
	xmax, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return Snapshot{}, fmt.Errorf("parse snapshot %q: %w", s, err)
	}
	snap := Snapshot{Xmax: xmax}
	if parts[2] == "" {
		return snap, nil
	}
	for _, field := range strings.Split(parts[2], ",") {
		xid, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return Snapshot{}, fmt.Errorf("parse snapshot %q: %w", s, err)
		}
		snap.Running = append(snap.Running, xid)
	}
	return snap, nil
}

// Explain adds advice to the errors of PostgreSQL that a user can act on, and returns any other error
// unchanged.
func Explain(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch pg.Code {
	case "3F000", "42P01": // invalid_schema_name, undefined_table
		return fmt.Errorf("%w: run pgherald migrate up", err)
	case "55000": // object_not_in_prerequisite_state: pg_current_wal_lsn in recovery
		return fmt.Errorf("%w (%w)", ErrStandby, err)
	case "42501": // insufficient_privilege
		return fmt.Errorf("%w: connect as the role that ran pgherald migrate up", err)
	}
	return err
}

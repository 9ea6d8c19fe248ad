package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/process"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/writes"
	"github.com/pgherald/pgherald/db"
)

// createDatabase creates the fixture's database, unless its server seems to be in use.
func (fx *fixture) createDatabase() error {
	conn, err := pgx.Connect(fx.ctx, fx.baseURL)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(fx.ctx))
	if err := db.CheckServer(fx.ctx, conn); err != nil {
		return err
	}
	if !fx.flags.Ephemeral && !fx.flags.Yes {
		if err := checkUnused(fx.ctx, conn); err != nil {
			return err
		}
	}
	fx.name = fmt.Sprintf("pgherald_bench_%08x", rand.Uint32())
	quoted := pgx.Identifier{fx.name}.Sanitize()
	if _, err := conn.Exec(fx.ctx, "create database "+quoted); err != nil {
		return fmt.Errorf("create database %s (the role needs the right CREATEDB): %w", fx.name, err)
	}
	fx.progress.Print("Using database " + fx.name + ", which is dropped at the end.")
	fx.cleanups = append(fx.cleanups, func() error { return drop(fx.baseURL, quoted) })
	if fx.url, err = withDatabase(fx.baseURL, fx.name); err != nil {
		return err
	}
	if fx.conn, err = pgx.Connect(fx.ctx, fx.url); err != nil {
		return fmt.Errorf("connect to database %s: %w", fx.name, err)
	}
	fx.cleanups = append(fx.cleanups, func() error { return fx.conn.Close(context.Background()) })
	// The process id is of another machine or container if no process of PostgreSQL has it here.
	var backend int
	if err := fx.conn.QueryRow(fx.ctx, `select pg_backend_pid()`).Scan(&backend); err != nil {
		return fmt.Errorf("read the process id of the backend: %w", err)
	}
	var ok bool
	if fx.postgres, ok = process.Parent(backend, "postgres"); !ok {
		fx.notes.Add("Postgres runs on another machine, or its processes are not visible: its CPU time is unknown.")
	}
	return nil
}

// checkUnused returns an error if the database has tables: other users of the server would feel the load.
func checkUnused(ctx context.Context, conn *pgx.Conn) error {
	var tables int
	var name string
	err := conn.QueryRow(ctx, `
		select current_database(), count(*)
		from pg_catalog.pg_class as c
		join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
		where c.relkind in ('r', 'p')
			and n.nspname <> 'information_schema'
			and n.nspname !~ '^pg_'`).Scan(&name, &tables)
	if err != nil {
		return fmt.Errorf("count the tables of the database: %w", err)
	}
	if tables > 0 {
		return fmt.Errorf("use the server of database %s: it has %d tables, so the server seems to be in use. The benchmark would change none of them, "+
			"as it creates a database of its own, but it loads the server fully for minutes. Name a scratch server, or give --yes, or --ephemeral", name, tables)
	}
	return nil
}

func drop(base, quoted string) error {
	ctx, cancel := context.WithTimeout(context.Background(), dropTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		return fmt.Errorf("connect to drop database %s: %w", quoted, err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "drop database if exists "+quoted+" with (force)"); err != nil {
		return fmt.Errorf("drop database %s: %w", quoted, err)
	}
	return nil
}

// withDatabase returns the URL of another database of the same server.
func withDatabase(base, name string) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", errors.New("parse the database's URL: give one like postgres://user:password@host:5432/name")
	}
	u.Path = "/" + name
	return u.String(), nil
}

// transactions returns the number of transactions in the fixture's database. It waits until all other
// backends have ended, because a backend is sure to have reported its transactions only then, and
// replaces our own connection.
func (fx *fixture) transactions() (n int64, err error) {
	ctx, cancel := context.WithTimeout(fx.ctx, dropTimeout)
	defer cancel()
	if err := fx.conn.Close(ctx); err != nil {
		return 0, fmt.Errorf("close the connection to database %s: %w", fx.name, err)
	}
	conn, err := pgx.Connect(ctx, fx.baseURL)
	if err != nil {
		return 0, fmt.Errorf("connect to the database: %w", err)
	}
	defer conn.Close(ctx)
	for others := 1; others > 0; {
		err := conn.QueryRow(ctx, `
			select count(*) filter (where a.pid is not null), max(d.xact_commit + d.xact_rollback)
			from pg_catalog.pg_stat_database as d
			left join pg_catalog.pg_stat_activity as a on a.datid = d.datid
			where d.datname = $1`, fx.name).Scan(&others, &n)
		if err != nil {
			return 0, fmt.Errorf("count transactions: %w", err)
		}
		if others > 0 {
			writes.Pause(ctx, 20*time.Millisecond)
		}
	}
	if fx.conn, err = pgx.Connect(ctx, fx.url); err != nil {
		return 0, fmt.Errorf("connect to database %s: %w", fx.name, err)
	}
	return n, nil
}

package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/postgres"
)

const (
	// databaseName is the database that the demo creates in its own cluster.
	databaseName = "pgherald"

	// startTimeout bounds the start of PostgreSQL, which may include a download, and its stop.
	startTimeout = 3 * time.Minute
)

// database is the database of the demo.
type database struct {
	url  string
	psql string       // the program, empty if there is none
	stop func() error // stops the PostgreSQL that was started, if any
}

func openDatabase(ctx context.Context, config Config, options Options) (database, error) {
	if config.DatabaseURL != "" {
		fmt.Fprintln(options.Stderr, "PostgreSQL: the one that DATABASE_URL names")
		return database{url: config.DatabaseURL, psql: findPsql(ctx, ""), stop: func() error { return nil }}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	dir, remove, err := dataDir(config)
	if err != nil {
		return database{}, err
	}
	inst, cluster, err := startCluster(ctx, config, dir, options)
	if err != nil {
		return database{}, errors.Join(err, remove())
	}
	stop := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		return errors.Join(cluster.Stop(ctx), remove())
	}
	if err := createDatabase(ctx, cluster.URL("postgres")); err != nil {
		return database{}, errors.Join(err, stop())
	}
	return database{url: cluster.URL(databaseName), psql: findPsql(ctx, inst.BinDir), stop: stop}, nil
}

// findPsql returns a psql that runs, by its short name if it is on the PATH. Debian's wrapper is on the PATH
// even where no PostgreSQL is installed, and fails then.
func findPsql(ctx context.Context, binDir string) string {
	for _, psql := range []string{"psql", filepath.Join(binDir, "psql")} {
		if exec.CommandContext(ctx, psql, "--version").Run() == nil {
			return psql
		}
	}
	return ""
}

// dataDir returns the cluster's data directory and a function that removes it if the demo is ephemeral.
func dataDir(config Config) (dir string, remove func() error, err error) {
	keep := func() error { return nil }
	if config.DataDir != "" {
		return config.DataDir, keep, nil
	}
	if !config.Ephemeral {
		dir, err := postgres.DefaultDataDir()
		return dir, keep, err
	}
	parent, err := os.MkdirTemp("", "pgherald-demo-")
	if err != nil {
		return "", nil, fmt.Errorf("make a directory for the demo's data: %w", err)
	}
	// PostgreSQL refuses to run as root. It then runs as another user, which must reach its directory.
	if err := os.Chmod(parent, 0o755); err != nil {
		return "", nil, fmt.Errorf("make the demo's directory readable: %w", err)
	}
	return filepath.Join(parent, "data"), func() error { return os.RemoveAll(parent) }, nil
}

// startCluster starts a PostgreSQL of the version that wrote the directory, if it has data.
func startCluster(ctx context.Context, config Config, dir string, options Options) (postgres.Installation, *postgres.Cluster, error) {
	var none postgres.Installation
	major, err := postgres.DataVersion(dir)
	if err != nil {
		return none, nil, err
	}
	cache, err := postgres.DefaultCacheDir()
	if err != nil {
		return none, nil, err
	}
	inst, err := postgres.Find(ctx, postgres.Options{BinDir: config.PgBin, CacheDir: cache, Major: major, Fetch: true, Log: options.Logger})
	if err != nil {
		return none, nil, err
	}
	fmt.Fprintf(options.Stderr, "PostgreSQL: %s\nIts data: %s\n", inst, dir)
	cluster, err := postgres.Start(ctx, inst, clusterOptions(config, dir, options))
	return inst, cluster, err
}

// clusterOptions returns the options of the cluster. One whose data is removed has nothing to lose in a crash of the machine, and
// room for the servers of tests, each of which may hold 22 connections.
func clusterOptions(config Config, dir string, options Options) postgres.ClusterOptions {
	cluster := postgres.ClusterOptions{DataDir: dir, Log: options.Logger}
	if config.Ephemeral {
		cluster.Unsafe, cluster.Settings = true, map[string]string{"max_connections": "300"}
	}
	return cluster
}

func createDatabase(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to the demo's PostgreSQL: %w", err)
	}
	defer conn.Close(ctx)
	var exists bool
	err = conn.QueryRow(ctx, `select exists (select from pg_catalog.pg_database as d where d.datname operator(pg_catalog.=) $1::pg_catalog.name)`, databaseName).Scan(&exists)
	if err != nil || exists {
		return err
	}
	if _, err := conn.Exec(ctx, "create database "+pgx.Identifier{databaseName}.Sanitize()); err != nil {
		return fmt.Errorf("create database %s: %w", databaseName, err)
	}
	return nil
}

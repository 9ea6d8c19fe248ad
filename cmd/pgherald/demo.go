package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/postgres"
)

// demoDatabase is the database that the demo makes in its own cluster.
const demoDatabase = "pgherald"

// startTimeout bounds the start of the demo's PostgreSQL, which may have to be fetched.
const startTimeout = 3 * time.Minute

// demoCmd shows everything working on a PostgreSQL of its own, or on one that is given.
type demoCmd struct {
	DatabaseURL string  `env:"DATABASE_URL" placeholder:"URL" help:"Use this database, and start none."`
	PgBin       string  `type:"existingdir" env:"PGHERALD_PG_BIN" placeholder:"DIR" help:"Start the PostgreSQL whose programs are here; else the newest that is installed, else one from npm."`
	DataDir     string  `env:"PGHERALD_DATA_DIR" placeholder:"DIR" help:"Where the demo's data stay between runs; the user's data directory if not given."`
	Ephemeral   bool    `env:"PGHERALD_EPHEMERAL" help:"Forget the demo's data at the end."`
	Addr        string  `default:"127.0.0.1:8080" env:"PGHERALD_ADDR" help:"Address to serve on; if its port is taken, another one is chosen."`
	Simulate    float64 `default:"0.5" env:"PGHERALD_SIMULATE" help:"Activities and changes that the demo makes up per second; 0 makes up none."`
}

// Validate is called by kong.
func (c *demoCmd) Validate() error {
	if c.Simulate < 0 || c.Simulate > 1000 {
		return errors.New("--simulate must be from 0 to 1000")
	}
	if c.Ephemeral && c.DataDir != "" {
		return errors.New("--ephemeral forgets the data: it does not go with --data-dir")
	}
	return nil
}

// Run serves the demo until a signal comes, and leaves no server behind.
func (c demoCmd) Run(a *app) error {
	listener, err := c.listen(a.ctx)
	if err != nil {
		return err
	}
	base, err := c.database(a)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	err = c.serve(a, listener, base)
	return errors.Join(err, base.stop())
}

// listen takes the address that was asked for, or another port if that one is taken.
func (c demoCmd) listen(ctx context.Context) (net.Listener, error) {
	listener, err := listen(ctx, c.Addr)
	if err == nil {
		return listener, nil
	}
	host, _, splitErr := net.SplitHostPort(c.Addr)
	if splitErr != nil {
		return nil, fmt.Errorf("serve on %s: %w", c.Addr, err)
	}
	if listener, err := listen(ctx, net.JoinHostPort(host, "0")); err == nil {
		return listener, nil
	}
	return nil, fmt.Errorf("serve on %s: %w", c.Addr, err)
}

// demoBase is the database under the demo.
type demoBase struct {
	url  string
	psql string       // the program, empty if there is none
	stop func() error // stops what was started for it
}

func (c demoCmd) database(a *app) (demoBase, error) {
	if c.DatabaseURL != "" {
		fmt.Fprintln(a.stderr, "PostgreSQL: the one that DATABASE_URL names")
		return demoBase{url: c.DatabaseURL, psql: findPsql(a.ctx, ""), stop: func() error { return nil }}, nil
	}
	ctx, cancel := context.WithTimeout(a.ctx, startTimeout)
	defer cancel()
	dir, forget, err := c.dataDir()
	if err != nil {
		return demoBase{}, err
	}
	inst, cluster, err := c.start(ctx, a, dir)
	if err != nil {
		return demoBase{}, errors.Join(err, forget())
	}
	stop := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		return errors.Join(cluster.Stop(ctx), forget())
	}
	if err := createDatabase(ctx, cluster.URL("postgres")); err != nil {
		return demoBase{}, errors.Join(err, stop())
	}
	return demoBase{url: cluster.URL(demoDatabase), psql: findPsql(ctx, inst.BinDir), stop: stop}, nil
}

// findPsql prefers the one on PATH, which people can type. Debian has one there that works only
// if a PostgreSQL is installed, so it is tried.
func findPsql(ctx context.Context, binDir string) string {
	for _, psql := range []string{"psql", filepath.Join(binDir, "psql")} {
		if exec.CommandContext(ctx, psql, "--version").Run() == nil {
			return psql
		}
	}
	return ""
}

// dataDir returns where the cluster's data are, and a function that forgets them if asked to.
func (c demoCmd) dataDir() (string, func() error, error) {
	keep := func() error { return nil }
	if c.DataDir != "" {
		return c.DataDir, keep, nil
	}
	if !c.Ephemeral {
		dir, err := postgres.DefaultDataDir()
		return dir, keep, err
	}
	parent, err := os.MkdirTemp("", "pgherald-demo-")
	if err != nil {
		return "", nil, fmt.Errorf("make a directory for the demo's data: %w", err)
	}
	// The server may have to run as another user, who must reach its directory.
	if err := os.Chmod(parent, 0o755); err != nil {
		return "", nil, fmt.Errorf("open the demo's directory to the server: %w", err)
	}
	return filepath.Join(parent, "data"), func() error { return os.RemoveAll(parent) }, nil
}

func (c demoCmd) start(ctx context.Context, a *app, dir string) (postgres.Installation, *postgres.Cluster, error) {
	var none postgres.Installation
	major, err := postgres.DataVersion(dir)
	if err != nil {
		return none, nil, err
	}
	cache, err := postgres.DefaultCacheDir()
	if err != nil {
		return none, nil, err
	}
	inst, err := postgres.Find(ctx, postgres.Options{BinDir: c.PgBin, CacheDir: cache, Major: major, Fetch: true, Log: a.logger})
	if err != nil {
		return none, nil, err
	}
	fmt.Fprintf(a.stderr, "PostgreSQL: %s\nIts data: %s\n", inst, dir)
	cluster, err := postgres.Start(ctx, inst, postgres.ClusterOptions{DataDir: dir, Log: a.logger})
	return inst, cluster, err
}

func createDatabase(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to the demo's PostgreSQL: %w", err)
	}
	defer conn.Close(ctx)
	var exists bool
	err = conn.QueryRow(ctx, `select exists (select from pg_database where datname = $1)`, demoDatabase).Scan(&exists)
	if err != nil || exists {
		return err
	}
	if _, err := conn.Exec(ctx, "create database "+pgx.Identifier{demoDatabase}.Sanitize()); err != nil {
		return fmt.Errorf("create database %s: %w", demoDatabase, err)
	}
	return nil
}

// serve runs the very server that `pgherald serve` runs, and the simulation beside it.
func (c demoCmd) serve(a *app, listener net.Listener, base demoBase) error {
	serve, err := defaultServe()
	if err != nil {
		return err
	}
	serve.DatabaseURL, serve.Spec = base.url, ""
	ctx, cancel := context.WithCancel(a.ctx)
	var simulation sync.WaitGroup
	defer simulation.Wait()
	defer cancel()
	return serve.serveOn(a, listener, func() {
		c.explain(a, listener.Addr().String(), base)
		if c.Simulate > 0 {
			simulation.Go(func() { simulate(ctx, a.logger, base.url, c.Simulate) })
		}
	})
}

// explain prints lines that work when pasted.
func (c demoCmd) explain(a *app, addr string, base demoBase) {
	fmt.Fprintf(a.stdout, `
  Open      http://%[1]s/
  Watch     curl -N http://%[1]s/api/events
  Write     %[2]s
  Stop      Ctrl-C

`, addr, writeLine(addr, base))
	if c.Simulate > 0 {
		fmt.Fprintf(a.stdout, "  Activities are made up at %g per second: --simulate=0 to have yours alone.\n\n", c.Simulate)
	}
}

// writeLine is a line for a shell that makes an activity: with psql, or without if there is none.
func writeLine(addr string, base demoBase) string {
	if base.psql == "" {
		const body = `{"category":"Maintenance","subcategory":"Pump","location":"HQ","reporter":"you"}`
		return fmt.Sprintf(`curl -H 'Content-Type: application/json' -d '%s' http://%s/api/activities`, body, addr)
	}
	const insert = `insert into activities (category, subcategory, location, reporter) values ('Maintenance', 'Pump', 'HQ', 'you')`
	return fmt.Sprintf(`%s %s -c "%s"`, base.psql, shellQuote(base.url), insert)
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

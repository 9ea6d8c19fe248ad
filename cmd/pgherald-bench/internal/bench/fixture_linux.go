package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/load"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/process"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/report"
	"github.com/pgherald/pgherald/db/postgres"
)

const (
	startTimeout = 3 * time.Minute // includes a download of PostgreSQL
	dropTimeout  = 20 * time.Second
)

// fixture is the environment of one benchmark: a database, a directory, processors for the server and for
// everything else.
type fixture struct {
	app      *App
	flags    *Flags
	ctx      context.Context
	exe      string // this program, which runs its own child processes
	server   string // the pgherald program
	dir      string
	url      string // of the fixture's database
	name     string // of the fixture's database
	conn     *pgx.Conn
	baseURL  string // of the database on the same server that the user named
	postgres int    // process id of the postmaster; 0 if unknown
	progress *report.Progress
	notes    report.Notes
	clients  load.Launcher

	serverCPUs []int // all if empty
	otherCPUs  []int
	offers     int64
	cleanups   []func() error
}

// open prepares a fixture that reserves a number of processors for the server. The caller must close it.
func (f *Flags) open(app *App, cpus int) (_ *fixture, err error) {
	fx := &fixture{app: app, flags: f, ctx: app.Ctx, progress: report.NewProgress(app.Stderr, app.Terminal)}
	defer func() {
		if err != nil {
			err = errors.Join(err, fx.close())
		}
	}()
	if fx.exe, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("find the path of this program: %w", err)
	}
	if fx.server, err = f.findServer(fx.exe); err != nil {
		return nil, err
	}
	if fx.dir, err = os.MkdirTemp("", "pgherald-bench-"); err != nil {
		return nil, fmt.Errorf("create a directory: %w", err)
	}
	fx.cleanups = append(fx.cleanups, func() error { return os.RemoveAll(fx.dir) })
	if fx.baseURL, err = fx.findPostgres(); err != nil {
		return nil, err
	}
	if err := fx.createDatabase(); err != nil {
		return nil, err
	}
	if err := fx.reserveCPUs(cpus); err != nil {
		return nil, err
	}
	fx.clients = load.Launcher{Exe: fx.exe, CPUs: fx.otherCPUs}
	return fx, nil
}

// findServer returns the path of the pgherald program: --pgherald, or the one beside this program.
func (f *Flags) findServer(exe string) (string, error) {
	if f.Pgherald != "" {
		return f.Pgherald, nil
	}
	path := filepath.Join(filepath.Dir(exe), "pgherald")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("find the server program beside this program: %w; run make build, or name it with --pgherald", err)
	}
	return path, nil
}

// close undoes everything in reverse order.
func (fx *fixture) close() error {
	var errs []error
	for i := len(fx.cleanups) - 1; i >= 0; i-- {
		errs = append(errs, fx.cleanups[i]())
	}
	fx.cleanups = nil
	return errors.Join(errs...)
}

// findPostgres returns the URL of the server to use, which it starts for --ephemeral.
func (fx *fixture) findPostgres() (string, error) {
	if !fx.flags.Ephemeral {
		return fx.flags.DatabaseURL, nil
	}
	ctx, cancel := context.WithTimeout(fx.ctx, startTimeout)
	defer cancel()
	cache, err := postgres.DefaultCacheDir()
	if err != nil {
		return "", err
	}
	inst, err := postgres.Find(ctx, postgres.Options{BinDir: fx.flags.PgBin, CacheDir: cache, Fetch: true, Log: fx.app.Logger})
	if err != nil {
		return "", err
	}
	// The server may run as another user, who needs access to its directory.
	if err := os.Chmod(fx.dir, 0o755); err != nil {
		return "", fmt.Errorf("let the server into its directory: %w", err)
	}
	fx.progress.Print("Starting " + inst.String() + "; its data are deleted at the end.")
	settings := map[string]string{"max_connections": "200"}
	maps.Copy(settings, fx.flags.settings)
	cluster, err := postgres.Start(ctx, inst, postgres.ClusterOptions{
		DataDir: filepath.Join(fx.dir, "data"), Settings: settings, Log: fx.app.Logger,
	})
	if err != nil {
		return "", err
	}
	fx.cleanups = append(fx.cleanups, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), dropTimeout)
		defer cancel()
		return cluster.Stop(ctx)
	})
	return cluster.URL("postgres"), nil
}

// reserveCPUs reserves processors for the server, if there are enough. This process, and a PostgreSQL of our
// own, use the others.
func (fx *fixture) reserveCPUs(cpus int) error {
	all, err := process.AllowedCPUs()
	if err != nil || cpus == 0 {
		return err
	}
	if cpus >= len(all) {
		fx.notes.Add("There are not enough processors to reserve %d for the server: it shares them with the load and with Postgres.", cpus)
		return nil
	}
	fx.serverCPUs, fx.otherCPUs = all[:cpus], all[cpus:]
	process.Confine(os.Getpid(), fx.otherCPUs)
	fx.cleanups = append(fx.cleanups, func() error { process.Confine(os.Getpid(), all); return nil })
	if fx.flags.Ephemeral && fx.postgres != 0 {
		for _, pid := range append(process.Children(fx.postgres), fx.postgres) {
			process.Confine(pid, fx.otherCPUs)
		}
	}
	return nil
}

// nextOffer returns the first number of a new offer, so that its events differ from earlier ones.
func (fx *fixture) nextOffer() int64 {
	fx.offers++
	return fx.offers * 10_000_000
}

// print prints the report of a benchmark.
func (fx *fixture) print(name string, s *report.Sheet, settings map[string]string) error {
	fx.progress.Finish()
	r := report.Report{
		Benchmark: name, Machine: fx.machine(), Settings: settings, Rounds: fx.flags.Rounds,
		Columns: s.Columns, Results: s.Results(), Notes: fx.notes.Lines(),
	}
	if fx.flags.JSON {
		return r.WriteJSON(fx.app.Stdout)
	}
	return r.WriteTable(fx.app.Stdout)
}

func (fx *fixture) machine() report.Machine {
	m := report.Machine{
		Processor: process.ProcessorName(), Processors: runtime.NumCPU(), ServerCPUs: len(fx.serverCPUs), Kernel: process.Kernel(),
		Postgres: "unknown", Go: runtime.Version(), Pgherald: "unknown",
	}
	_ = fx.conn.QueryRow(fx.ctx, `select current_setting('server_version')`).Scan(&m.Postgres)
	if out, err := exec.CommandContext(fx.ctx, fx.server, "version").Output(); err == nil {
		m.Pgherald = strings.TrimPrefix(strings.TrimSpace(string(out)), "pgherald ")
	}
	return m
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/postgres"
)

const (
	startTimeout = 3 * time.Minute // PostgreSQL may have to be fetched
	dropTimeout  = 20 * time.Second
)

// lab is where a benchmark happens: a database of its own, a directory, processors for the
// server and for everything else.
type lab struct {
	app     *App
	flags   *Flags
	ctx     context.Context
	exe     string // of this program, which runs itself for its child processes
	server  string // path of the pgherald binary
	dir     string
	url     string // of the lab's own database
	name    string // of it
	conn    *pgx.Conn
	pg      *postmaster
	baseURL string // of the database that was there
	bar     *progress
	notes   notes

	serverCPUs []int // none: all
	otherCPUs  []int
	crowds     int // load processes so far: each has an address of its own
	offers     int64
	undo       []func() error
}

// open prepares everything. Whoever opens a lab must close it.
func (f *Flags) open(app *App, cpus int) (_ *lab, err error) {
	l := &lab{app: app, flags: f, ctx: app.Ctx, bar: newProgress(app.Stderr, app.Terminal)}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	if l.exe, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("find the path of this program: %w", err)
	}
	if l.server, err = f.findServer(l.exe); err != nil {
		return nil, err
	}
	if l.dir, err = os.MkdirTemp("", "pgherald-bench-"); err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	l.undo = append(l.undo, func() error { return os.RemoveAll(l.dir) })
	base, err := l.base()
	if err != nil {
		return nil, err
	}
	if err := l.database(base); err != nil {
		return nil, err
	}
	return l, l.split(cpus)
}

// findServer returns the path of the pgherald binary: --pgherald, or the one beside this program.
func (f *Flags) findServer(exe string) (string, error) {
	if f.Pgherald != "" {
		return f.Pgherald, nil
	}
	path := filepath.Join(filepath.Dir(exe), "pgherald")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("find the pgherald binary beside this program: %w; run make build, or name it with --pgherald", err)
	}
	return path, nil
}

// close undoes everything, the last thing first.
func (l *lab) close() error {
	var errs []error
	for i := len(l.undo) - 1; i >= 0; i-- {
		errs = append(errs, l.undo[i]())
	}
	l.undo = nil
	return errors.Join(errs...)
}

// base returns the URL of the server to use, which it starts if told to.
func (l *lab) base() (string, error) {
	if !l.flags.Ephemeral {
		return l.flags.DatabaseURL, nil
	}
	ctx, cancel := context.WithTimeout(l.ctx, startTimeout)
	defer cancel()
	cache, err := postgres.DefaultCacheDir()
	if err != nil {
		return "", err
	}
	inst, err := postgres.Find(ctx, postgres.Options{BinDir: l.flags.PgBin, CacheDir: cache, Fetch: true, Log: l.app.Logger})
	if err != nil {
		return "", err
	}
	// The server may have to run as another user, who must reach its directory.
	if err := os.Chmod(l.dir, 0o755); err != nil {
		return "", fmt.Errorf("open the directory to the server: %w", err)
	}
	l.bar.say("Starting " + inst.String() + " with data that are forgotten in the end.")
	settings := map[string]string{"max_connections": "200"}
	maps.Copy(settings, l.flags.settings)
	cluster, err := postgres.Start(ctx, inst, postgres.ClusterOptions{
		DataDir: filepath.Join(l.dir, "data"), Settings: settings, Log: l.app.Logger,
	})
	if err != nil {
		return "", err
	}
	l.undo = append(l.undo, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), dropTimeout)
		defer cancel()
		return cluster.Stop(ctx)
	})
	return cluster.URL("postgres"), nil
}

// database makes the lab's own, after a look at what it would disturb.
func (l *lab) database(base string) error {
	conn, err := pgx.Connect(l.ctx, base)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(l.ctx))
	if err := db.CheckServer(l.ctx, conn); err != nil {
		return err
	}
	if !l.flags.Ephemeral && !l.flags.Yes {
		if err := refuseInUse(l.ctx, conn); err != nil {
			return err
		}
	}
	name := fmt.Sprintf("pgherald_bench_%08x", rand.Uint32())
	quoted := pgx.Identifier{name}.Sanitize()
	if _, err := conn.Exec(l.ctx, "create database "+quoted); err != nil {
		return fmt.Errorf("create database %s (the role needs the right CREATEDB): %w", name, err)
	}
	l.baseURL, l.name = base, name
	l.bar.say("Using database " + name + ", which is dropped in the end.")
	l.undo = append(l.undo, func() error { return drop(base, quoted) })
	if l.url, err = withDatabase(base, name); err != nil {
		return err
	}
	if l.conn, err = pgx.Connect(l.ctx, l.url); err != nil {
		return fmt.Errorf("connect to database %s: %w", name, err)
	}
	l.undo = append(l.undo, func() error { return l.conn.Close(context.Background()) })
	l.pg = findPostmaster(l.ctx, l.conn)
	if l.pg == nil {
		l.notes.add("Postgres runs elsewhere, or may not be looked at: its CPU time is not known.")
	}
	return nil
}

// refuseInUse protects databases that somebody works with: the load would be felt there.
func refuseInUse(ctx context.Context, conn *pgx.Conn) error {
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
		return fmt.Errorf("look whether the database is in use: %w", err)
	}
	if tables > 0 {
		return fmt.Errorf("database %s has %d tables, so its server seems to be in use. The benchmark would touch none of them, "+
			"as it makes a database of its own, but it loads the server fully for minutes. Name a scratch server, or give --yes, or --ephemeral", name, tables)
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

// withDatabase names another database of the same server.
func withDatabase(base, name string) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", errors.New("read the database's URL: it must look like postgres://user:password@host:5432/name")
	}
	u.Path = "/" + name
	return u.String(), nil
}

// split gives the server processors of its own, if there are enough.
func (l *lab) split(cpus int) error {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return fmt.Errorf("read which processors may be used: %w", err)
	}
	var all []int
	for i := range 1024 {
		if set.IsSet(i) {
			all = append(all, i)
		}
	}
	if cpus == 0 {
		return nil
	}
	if cpus >= len(all) {
		l.notes.add("There are not enough processors to give the server %d of its own: it shares them with the load and with Postgres.", cpus)
		return nil
	}
	l.serverCPUs, l.otherCPUs = all[:cpus], all[cpus:]
	confine(os.Getpid(), l.otherCPUs)
	l.undo = append(l.undo, func() error { confine(os.Getpid(), all); return nil })
	if l.flags.Ephemeral && l.pg != nil {
		for _, pid := range append(childrenOf(l.pg.pid), l.pg.pid) {
			confine(pid, l.otherCPUs)
		}
	}
	return nil
}

// confine binds a process, all of its threads, to processors. It is a help and no promise.
func confine(pid int, cpus []int) {
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, t := range threads {
		var id int
		if _, err := fmt.Sscan(t.Name(), &id); err == nil {
			_ = unix.SchedSetaffinity(id, cpuSet(cpus))
		}
	}
}

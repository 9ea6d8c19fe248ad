package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/metrics"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/triggers"
)

// serveCmd is everything a server can be told.
type serveCmd struct {
	databaseFlags
	specFlags
	limitFlags
	transportFlags
	authFlags
	AdminAddr         string        `env:"PGHERALD_ADMIN_ADDR" placeholder:"ADDRESS" help:"Address for operators, with /metrics, /debug/pprof/ and /log-level; none if not given. It asks nobody who they are: keep it on loopback or a private network."`
	ListenDatabaseURL string        `env:"PGHERALD_LISTEN_DATABASE_URL" placeholder:"URL" help:"The same database without a transaction-mode pooler in between, for LISTEN and for reading the log; --database-url if not given."`
	NoMigrate         bool          `env:"PGHERALD_NO_MIGRATE" help:"Do not create or change tables: refuse to start if they are not up to date."`
	NoApply           bool          `env:"PGHERALD_NO_APPLY" help:"Do not install triggers: refuse to start if they are not as the spec says."`
	FeedBytes         byteSize      `default:"64MiB" env:"PGHERALD_FEED_BYTES" help:"Memory for recent events."`
	RetainAge         time.Duration `default:"24h" env:"PGHERALD_RETAIN_AGE" help:"How long events stay in the log: how long a client may be away and still resume."`
	RetainBytes       byteSize      `default:"0" env:"PGHERALD_RETAIN_BYTES" help:"About how large the log may become; 0 means that only age counts."`
	Heartbeat         time.Duration `default:"30s" env:"PGHERALD_HEARTBEAT" help:"Time between heartbeats on a stream."`
	WriteTimeout      time.Duration `default:"30s" env:"PGHERALD_WRITE_TIMEOUT" help:"How long a client may take to accept a write before it is disconnected."`
	ProbeInterval     time.Duration `default:"10s" env:"PGHERALD_PROBE_INTERVAL" help:"Time between two notifications that the listener sends to itself."`
	Drain             time.Duration `default:"5s" env:"PGHERALD_DRAIN" help:"How long streams may take to end at shutdown."`
}

// Validate is called by kong.
func (c *serveCmd) Validate() error {
	for name, d := range map[string]time.Duration{
		"retain-age": c.RetainAge, "heartbeat": c.Heartbeat, "write-timeout": c.WriteTimeout,
		"probe-interval": c.ProbeInterval, "drain": c.Drain,
	} {
		if d <= 0 {
			return fmt.Errorf("--%s must be more than 0", name)
		}
	}
	if c.Heartbeat+c.WriteTimeout > maxSilence {
		return fmt.Errorf("--heartbeat and --write-timeout must not be more than %v together: no connection is kept that long without a successful write", maxSilence)
	}
	return errors.Join(c.checkLimits(), c.checkTransport(), c.checkAuth())
}

// Run serves until a signal comes.
func (c serveCmd) Run(a *app) error {
	listener, err := listen(a.ctx, c.Addr)
	if err != nil {
		return fmt.Errorf("serve on %s: %w", c.Addr, err)
	}
	if err := c.checkAddress(listener.Addr()); err != nil {
		return errors.Join(err, listener.Close())
	}
	return c.serveOn(a, listener, nil)
}

// serveOn prepares the database and serves on the listener, which it closes. It calls ready once
// events flow.
func (c serveCmd) serveOn(a *app, listener net.Listener, ready func()) error {
	defer listener.Close()
	if c.ListenDatabaseURL == "" {
		c.ListenDatabaseURL = c.DatabaseURL
	}
	checker, err := c.checker(a.ctx, c.origins(), a.logger)
	if err != nil {
		return err
	}
	m := metrics.New(version())
	stop, err := c.serveAdmin(a, m)
	if err != nil {
		return err
	}
	defer stop()
	if err := c.prepare(a); err != nil {
		return err
	}
	s, err := c.wire(a, m, checker)
	if err != nil {
		return err
	}
	defer s.close()
	return s.run(a, listener, ready)
}

// prepare migrates and installs triggers, or checks that somebody has.
func (c serveCmd) prepare(a *app) error {
	spec, sets, err := c.load()
	if err != nil {
		return err
	}
	return c.with(a.ctx, func(conn *pgx.Conn) error {
		if err := c.migrate(a, sets); err != nil {
			return err
		}
		if c.NoApply {
			return checkApplied(a.ctx, conn, spec)
		}
		changes, err := triggers.Apply(a.ctx, conn, spec)
		for _, change := range changes {
			a.logger.Debug("trigger applied", "change", change)
		}
		if len(changes) > 0 {
			a.logger.Info("triggers applied: they are as the spec says now", "changes", len(changes))
		}
		return err
	})
}

func (c serveCmd) migrate(a *app, sets []migrations.Set) error {
	if !c.NoMigrate {
		return migrations.Up(a.ctx, c.ListenDatabaseURL, sets...) // its lock is a session's: no pooler may be in between
	}
	statuses, err := migrations.StatusOf(a.ctx, c.DatabaseURL, sets...)
	if err != nil {
		return err
	}
	var missing []error
	for _, s := range statuses {
		if s.Dirty || s.Version < s.Latest {
			missing = append(missing, fmt.Errorf("%s is at version %d of %d%s", s.Set, s.Version, s.Latest, remark(s)))
		}
	}
	return errors.Join(missing...)
}

func checkApplied(ctx context.Context, conn *pgx.Conn, spec triggers.Spec) error {
	drift, err := triggers.Check(ctx, conn, spec)
	if err != nil {
		return err
	}
	var errs []error
	for _, d := range drift {
		errs = append(errs, errors.New(d.String()))
	}
	if len(errs) > 0 {
		errs = append(errs, errors.New("triggers are not as the spec says: run pgherald triggers apply"))
	}
	return errors.Join(errs...)
}

// shutdown ends everything within the drain time. At first the server still answers, so that a
// load balancer learns from /readyz that it goes, before anybody is refused; net/http answers
// nothing more once it shuts down. What is left in the end is cut.
func shutdown(server *http.Server, a *api.API, drain time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), drain*9/10)
	defer cancel()
	answer, stop := context.WithTimeout(ctx, drain/5)
	defer stop()
	<-answer.Done()
	a.Shutdown(ctx)
	defer a.Close()
	if err := server.Shutdown(ctx); err != nil {
		return server.Close()
	}
	return nil
}

// defaultServe is a server with the defaults of the command line.
func defaultServe() (serveCmd, error) {
	var c struct {
		Serve serveCmd `cmd:""`
	}
	parser, err := kong.New(&c)
	if err != nil {
		return serveCmd{}, err
	}
	_, err = parser.Parse([]string{"serve", "--database-url=set-by-the-caller"})
	return c.Serve, err
}

package forward

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/consumers"
	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/backoff"
)

const (
	logConns      = 3 // one reads the log, one looks whether the spec was applied anew
	statementTime = 5 * time.Second
	endTimeout    = 2 * time.Second // to end the lease
)

// runner is this process, which may be the runner of the consumer.
type runner struct {
	config   *Config
	name     string // of the process
	logPool  *pgxpool.Pool
	probe    *pgxpool.Pool
	pool     *db.Pool
	log      *eventlog.Log
	listener *notify.Listener
	sink     sink
}

// Run forwards until ctx ends. While another process is the runner of the consumer, it stands by. Its error is one that only an operator
// can help against: the receiver wants no more, the position is lost, or the settings are wrong.
func Run(ctx context.Context, config Config) error {
	r := &runner{config: &config, name: processName()}
	defer r.close()
	if err := r.open(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { r.listener.Run(ctx) })
	defer running.Wait()
	defer cancel()
	retry := backoff.New(backoff.Options{
		Min: minPause, Max: maxRetry, Failing: "forwarding interrupted, trying again", Level: slog.LevelWarn, Logger: config.Logger,
	})
	for ctx.Err() == nil {
		err := r.turn(ctx)
		if isFinal(err) {
			return err
		}
		if err == nil {
			retry.Succeeded()
		} else if ctx.Err() == nil {
			retry.Failed(err)
			_ = retry.Wait(ctx) // the loop looks at ctx
		}
	}
	return ctx.Err()
}

// processName names this process for operators.
func processName() string {
	host, _ := os.Hostname() // empty without one
	return host + " " + strconv.Itoa(os.Getpid()) + " " + rand.Text()[:8]
}

// open connects. An error at the start is the operator's.
func (r *runner) open(ctx context.Context) (err error) {
	if r.sink, err = r.config.To.open(r.config); err != nil {
		return err
	}
	if _, _, err = r.encoder(ctx); err != nil && !isWithheld(err) { // each turn looks again
		return err
	}
	if r.logPool, err = db.OpenLogPool(ctx, r.config.DatabaseURL, logConns); err != nil {
		return err
	}
	r.log = eventlog.New(r.logPool, eventlog.Options{Logger: r.config.Logger})
	r.pool, err = db.OpenPool(ctx, r.config.DatabaseURL, db.PoolOptions{Name: "pgherald forward", Size: consumers.Conns, Timeout: statementTime})
	if err != nil {
		return err
	}
	if r.probe, err = db.OpenSessionPool(ctx, r.config.DatabaseURL, "pgherald probe", 1); err != nil {
		return err
	}
	r.listener, err = notify.OpenListener(ctx, r.config.DatabaseURL, r.probe, notify.ListenerOptions{Logger: r.config.Logger})
	return err
}

func (r *runner) close() {
	if r.listener != nil {
		r.listener.Close()
	}
	if r.pool != nil {
		r.pool.Close()
	}
	for _, pool := range []*pgxpool.Pool{r.probe, r.logPool} {
		if pool != nil {
			pool.Close()
		}
	}
	if r.sink != nil {
		r.sink.close()
	}
}

// turn takes the consumer, and forwards while this process is its runner. It returns nil if another process is.
func (r *runner) turn(ctx context.Context) error {
	head, err := r.log.Tail(ctx, 0, 0) // first: what a recovery meanwhile has lost is in no position that is read later
	if err != nil {
		return err
	}
	until := time.Now().Add(r.config.Lease)
	c, p, err := consumers.Begin(ctx, r.pool, consumers.Options{
		Name: r.config.Name, Target: r.config.To.Shown(), Runner: r.name, Start: r.config.Start, Lease: r.config.Lease,
	})
	if active, ok := errors.AsType[*consumers.ActiveError](err); ok {
		r.config.Logger.Debug("standing by", "runner", active.Runner)
		return backoff.Sleep(ctx, r.config.Lease/4)
	}
	if err != nil {
		return explainBegin(err)
	}
	defer r.end(ctx, c)
	if !p.IsSameLog {
		return r.reset(ctx, c, stream.ResetOtherLog)
	}
	s, err := r.newSession(ctx, c, until, stream.NewCursor(head.Epoch(), p.Next, p.Holes), p.Reset)
	if err != nil {
		return err
	}
	r.config.Logger.Info("forwarding", "consumer", r.config.Name, "to", r.config.To.Shown(), "new", p.IsNew)
	err = s.run(ctx)
	switch {
	case errors.Is(err, stream.ErrPruned):
		return r.reset(ctx, c, stream.ResetPruned)
	case errors.Is(err, stream.ErrFuture):
		return r.reset(ctx, c, stream.ResetFuture)
	case errors.Is(err, errChanged):
		r.config.Logger.Info("collections followed the spec", "consumer", r.config.Name)
		return nil // the next turn has another encoder
	}
	return err // with stream.ErrOtherLog after a recovery: the next turn reads the position that it has left
}

// SettingsError says that the database refuses the settings of the consumer.
type SettingsError struct{ error }

func (e *SettingsError) Unwrap() error { return e.error }

// explainBegin returns a *SettingsError if only an operator can help: the name or the start is wrong, a job has the name, or a right is
// missing.
func explainBegin(err error) error {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if ok && (slices.Contains([]string{"22023", "55006", "42501"}, pg.Code) || strings.HasPrefix(pg.Code, "PH")) {
		return &SettingsError{err}
	}
	return err
}

// end ends the lease. If the database is away, the lease ends by itself.
func (r *runner) end(ctx context.Context, c *consumers.Consumer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := c.End(ctx); err != nil {
		r.config.Logger.Debug("lease not ended", "error", err)
	}
}

// ResetError says that the log no longer reaches back to the position: events are lost for the receiver.
type ResetError struct {
	Name   string
	Reason stream.ResetReason
}

func (e *ResetError) Error() string {
	return fmt.Sprintf("continue the consumer %s: the log cannot (%s): events are missing at the receiver. Load everything there again and run "+
		"select pgherald.reset_consumer('%[1]s') in the same snapshot, or start with --on-reset=continue: then the receiver gets a sync event that says so", e.Name, e.Reason)
}

// reset continues now and owes the receiver that, or returns a *ResetError.
func (r *runner) reset(ctx context.Context, c *consumers.Consumer, reason stream.ResetReason) error {
	if !r.config.ContinueOnReset {
		return &ResetError{Name: r.config.Name, Reason: reason}
	}
	if err := c.Reset(ctx, string(reason)); err != nil {
		return err
	}
	r.config.Metrics.resets.Inc()
	r.config.Logger.Error("events are missing at the receiver: it gets a sync event and must load everything again", "reason", reason)
	return nil
}

// isWithheld reports whether the process has to wait for an apply.
func isWithheld(err error) bool {
	_, is := errors.AsType[*WithheldError](err)
	return is
}

// isFinal reports whether trying again cannot help.
func isFinal(err error) bool {
	_, isReset := errors.AsType[*ResetError](err)
	_, isFilter := errors.AsType[*FilterError](err)
	_, isSettings := errors.AsType[*SettingsError](err)
	return isReset || isFilter || isSettings || errors.Is(err, errGone) || errors.Is(err, errSpec)
}

package relay

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/relays"
	"github.com/pgherald/pgherald/db/streamstore"
	"github.com/pgherald/pgherald/stream/backoff"
	"github.com/pgherald/pgherald/stream/relay"
)

const (
	logConns      = 4 // for the log, the description, the presence and the revocations
	statementTime = 5 * time.Second
	endTimeout    = 2 * time.Second // to end the lease
	minPause      = 200 * time.Millisecond
	maxPause      = 5 * time.Second
)

// errLapsed says that the lease could not be extended in time: another process may have it.
var errLapsed = errors.New("extend the lease: the database did not answer in time")

// Config says what to copy where. All fields but Name and Watch are required.
type Config struct {
	DatabaseURL string // it must not lead through a pooler in transaction mode
	Watch       server.Watch
	StreamURL   string // of the store, see streamstore.Open
	Name        string // of the lease; without one that of the stream and its server
	Lease       time.Duration
	MaxBytes    int64 // of the stream
	EventBytes  int64 // of an event
	Logger      *slog.Logger
	Metrics     *Metrics
}

// CheckStore returns an error for a URL of a store that Run does not take.
func CheckStore(url string) error { return streamstore.Check(url) }

// runner is this process.
type runner struct {
	config   *Config
	name     string
	store    *streamstore.Store
	logPool  *pgxpool.Pool
	probe    *pgxpool.Pool
	pool     *db.Pool
	log      *eventlog.Log
	listener *notify.Listener
	began    time.Time
	applied  chan struct{}            // has a value if triggers or specs may have changed
	reports  atomic.Pointer[[][]byte] // of the edges

	elsewhere elsewhere // the goroutine of Run uses it
}

// Run copies until ctx ends, or stands by. It waits for the database and for the store.
func Run(ctx context.Context, config Config) error {
	store, err := streamstore.Open(config.StreamURL)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }() // nothing is on its way any more
	if config.Name == "" {
		config.Name = leaseName(store.Place())
	}
	host, _ := os.Hostname() // empty without one
	r := &runner{
		config: &config, store: store, name: host + " " + strconv.Itoa(os.Getpid()) + " " + rand.Text()[:8], began: time.Now(), applied: make(chan struct{}, 1),
	}
	retry := backoff.New(backoff.Options{
		Min: minPause, Max: maxPause, Failing: "relay interrupted, trying again", Recovered: "relay runs again", Level: slog.LevelWarn, Logger: config.Logger,
	})
	for {
		err := r.open(ctx)
		if err == nil {
			err = r.serve(ctx, retry)
		}
		r.close()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		config.Metrics.fail(err)
		retry.Failed(err)
		_ = retry.Wait(ctx) // the loop looks at ctx
	}
}

// leaseName returns the name of the lease of the stream at a place: two streams with the same key on two servers have a lease each.
func leaseName(place string) string {
	const most = 200 // bytes, of the table's names
	if len(place) <= most {
		return place
	}
	sum := sha256.Sum256([]byte(place))
	return hex.EncodeToString(sum[:])
}

// serve takes turns until ctx ends.
func (r *runner) serve(ctx context.Context, retry *backoff.Retry) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { r.listener.Run(ctx) })
	defer running.Wait()
	defer cancel()
	for ctx.Err() == nil {
		err := r.turn(ctx, retry)
		if err != nil && ctx.Err() == nil {
			r.config.Metrics.fail(err)
			retry.Failed(err)
			_ = retry.Wait(ctx) // the loop looks at ctx
		}
	}
	return ctx.Err()
}

func (r *runner) open(ctx context.Context) (err error) {
	url := r.config.DatabaseURL
	if r.logPool, err = db.OpenLogPool(ctx, url, logConns); err != nil {
		return err
	}
	r.log = eventlog.New(r.logPool, eventlog.Options{MaxEventBytes: r.config.EventBytes, Logger: r.config.Logger})
	if r.pool, err = db.OpenPool(ctx, url, db.PoolOptions{Name: "pgherald relay", Size: relays.Conns, Timeout: statementTime}); err != nil {
		return err
	}
	if r.probe, err = db.OpenSessionPool(ctx, url, "pgherald probe", 1); err != nil {
		return err
	}
	r.listener, err = notify.OpenListener(ctx, url, r.probe, notify.ListenerOptions{OnControl: r.controlNotified, Logger: r.config.Logger})
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
	r.listener, r.pool, r.probe, r.logPool = nil, nil, nil, nil
}

// turn takes the lease, and copies while it lasts. It returns nil if another process has it.
func (r *runner) turn(ctx context.Context, retry *backoff.Retry) error {
	st, err := r.store.State(ctx)
	if err != nil {
		return err
	}
	until := time.Now().Add(r.config.Lease)
	lease, err := relays.Take(ctx, r.pool, relays.Options{Name: r.config.Name, Runner: r.name, Time: r.config.Lease, AtLeast: st.Term + 1})
	if active, ok := errors.AsType[*relays.ActiveError](err); ok {
		if err := r.checkActive(active.Runner, st.Owner); err != nil {
			return err
		}
		r.config.Metrics.standBy()
		retry.Succeeded()
		r.config.Logger.Debug("standing by", "runner", active.Runner)
		return backoff.Sleep(ctx, r.config.Lease/4)
	}
	r.elsewhere = elsewhere{}
	if err != nil {
		return err
	}
	defer r.end(ctx, lease)
	r.config.Logger.Info("relay became active", "stream", r.config.Name, "term", lease.Term())
	return r.copy(ctx, lease, until, retry)
}

// elsewhere is a process that has the lease and has not written to this stream, and since when this is known.
type elsewhere struct {
	runner string
	since  time.Time
}

// checkActive returns an error if the process that has the lease does not write to this stream, for longer than a lease: this process would
// stand by for ever. owner is the process that has written to it last.
func (r *runner) checkActive(runner, owner string) error {
	switch now := time.Now(); {
	case runner == owner:
		r.elsewhere = elsewhere{}
	case runner != r.elsewhere.runner:
		r.elsewhere = elsewhere{runner, now}
	case now.Sub(r.elsewhere.since) > r.config.Lease:
		return fmt.Errorf("stand by: %s has the lease %q and does not write to this stream: give relays of different streams different values of --name",
			runner, r.config.Name)
	}
	return nil
}

// copy copies until ctx ends or the lease is lost.
func (r *runner) copy(ctx context.Context, lease *relays.Lease, until time.Time, retry *backoff.Retry) error {
	copying, stop := context.WithCancelCause(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { stop(r.extend(copying, lease, until, retry)) })
	writer := relay.Writer{Term: lease.Term(), Owner: r.name}
	beside.Go(func() { r.describe(copying, writer) })
	beside.Go(func() { r.shareState(copying) })
	defer beside.Wait()
	defer stop(nil)
	progress := r.config.Metrics.start()
	defer r.config.Metrics.stop()
	defer r.noteProgress(retry)
	err := relay.Run(copying, relay.Options{
		Log: r.log, Store: r.store, Writer: writer, Wake: r.listener.Wake(),
		MaxBytes: r.config.MaxBytes, Progress: progress, Logger: r.config.Logger,
	})
	if cause := context.Cause(copying); cause != nil && ctx.Err() == nil {
		return cause
	}
	return err
}

// extend extends the lease until ctx ends. It returns an error once the lease is lost, or may be.
func (r *runner) extend(ctx context.Context, lease *relays.Lease, until time.Time, retry *backoff.Retry) error {
	for {
		if err := backoff.Sleep(ctx, min(r.config.Lease/4, time.Until(until))); err != nil {
			return err
		}
		began := time.Now()
		limited, cancel := context.WithDeadline(ctx, until)
		err := lease.Extend(limited)
		cancel()
		switch {
		case err == nil:
			until = began.Add(r.config.Lease)
			r.noteProgress(retry)
		case errors.Is(err, relays.ErrLost):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case !time.Now().Before(until):
			return fmt.Errorf("%w: %w", errLapsed, err)
		}
	}
}

// noteProgress notes that the relay copies, if it has read the log to its end since it became active.
func (r *runner) noteProgress(retry *backoff.Retry) {
	if r.config.Metrics.hasCopied() {
		retry.Succeeded()
	}
}

// end ends the lease. If the database is away, the lease ends by itself.
func (r *runner) end(ctx context.Context, lease *relays.Lease) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := lease.End(ctx); err != nil {
		r.config.Logger.Debug("lease not ended", "error", err)
	}
}

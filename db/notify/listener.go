package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgxlisten"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream/backoff"
	"github.com/pgherald/pgherald/stream/status"
)

// ListenerOptions configure a Listener. Zero values mean the defaults.
type ListenerOptions struct {
	// ProbeInterval is the time between two probes; 10 s by default. A dead connection is detected
	// after at most ProbeInterval and ProbeTimeout together.
	ProbeInterval time.Duration
	// ProbeTimeout bounds the round trip of a probe, and each step of connecting; 5 s by default.
	ProbeTimeout time.Duration
	// MaxBackoff bounds the wait between two attempts to connect; 5 s by default.
	MaxBackoff time.Duration
	// OnControl is called with each payload that arrives on ControlChannel. It must not block, and must
	// not trust the payload: any role of the database can send one.
	OnControl func(payload string)
	// Logger receives a line for each connection and each outage. The default discards them.
	Logger *slog.Logger
}

func (o ListenerOptions) withDefaults() ListenerOptions {
	if o.ProbeInterval <= 0 {
		o.ProbeInterval = 10 * time.Second
	}
	if o.ProbeTimeout <= 0 {
		o.ProbeTimeout = 5 * time.Second
	}
	if o.MaxBackoff <= 0 {
		o.MaxBackoff = 5 * time.Second
	}
	if o.OnControl == nil {
		o.OnControl = func(string) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Listener holds the connection that LISTENs, outside of any pool, and turns notifications into
// wake-ups for one reader. It reconnects until it is stopped. It is live while the last probe on its
// connection has come back.
type Listener struct {
	config *pgx.ConnConfig
	sender *pgxpool.Pool
	opts   ListenerOptions
	name   string // distinguishes this server's probes and leader from those of others

	// Each channel has room for one value. A sender that finds it full drops its value.
	wake         chan struct{} // the log may have new events
	ready        chan struct{} // a new connection listens on all channels
	echo         chan string   // the payload of a probe that came back
	leaderWanted chan struct{} // writers send many notifications, or a leader requests a successor
	drainWanted  chan struct{} // the lock is shared anew: earlier transactions may send no NOTIFY

	retry *backoff.Retry // of its connections

	mu           sync.Mutex // guards the fields below
	initial      *pgx.Conn  // made by OpenListener; nil once it is in use
	conn         *pgx.Conn  // in use; nil while disconnected
	connCtx      context.Context
	cancelConn   context.CancelFunc // ends connCtx, and with it a probe of conn
	connectedAt  time.Time
	channels     int // number of channels on which conn listens
	live         bool
	changed      chan struct{}     // closed when live or reason changes
	lastReceived time.Time         // of a notification
	meter        notificationMeter // of the writers' notifications
	roundTrip    time.Duration     // of the last probe
	reason       error             // why it is not live; nil while it is
	disconnects  uint64            // changes from live to not live

	throughPooler bool // the last connection that was made leads through a pooler
	lockDenied    bool // the last connection that was made does not share ListenerLock, which another session holds

	// validate must succeed on each new connection.
	validate func(context.Context, *pgx.Conn) error
	// onStep is called with each step of a connection. Tests use it to stop a listener at a step.
	onStep func(listenerStep)
}

// OpenListener returns a listener that has connected, so that a wrong URL is an error at startup. The
// listener sends its probes through sender, which must lead to the same database. Call Run or Close.
//
// url must not lead through a transaction-mode pooler: LISTEN succeeds there and has no effect.
func OpenListener(ctx context.Context, url string, sender *pgxpool.Pool, opts ListenerOptions) (*Listener, error) {
	config, err := db.ParseSession(url, "pgherald listener")
	if err != nil {
		return nil, fmt.Errorf("parse the listener's database URL: %w", err)
	}
	l := newListener(config, sender, opts.withDefaults())
	l.initial, err = l.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect the listener: %w", db.ExplainSession(err))
	}
	return l, nil
}

func newListener(config *pgx.ConnConfig, sender *pgxpool.Pool, opts ListenerOptions) *Listener {
	return &Listener{
		config:       config,
		sender:       sender,
		opts:         opts,
		name:         fmt.Sprintf("%016x", rand.Uint64()),
		wake:         make(chan struct{}, 1),
		ready:        make(chan struct{}, 1),
		echo:         make(chan string, 1),
		leaderWanted: make(chan struct{}, 1),
		drainWanted:  make(chan struct{}, 1),
		changed:      make(chan struct{}),
		reason:       errors.New("not started"),
		validate:     db.CheckServer,
		onStep:       func(listenerStep) {},
		retry: backoff.New(backoff.Options{
			Min: minBackoff, Max: opts.MaxBackoff, Failing: "listener disconnected", Level: slog.LevelError, Logger: opts.Logger,
		}),
	}
}

// Wake returns the channel that receives a value when the log may have new events. It is meant for one
// reader.
func (l *Listener) Wake() <-chan struct{} { return l.wake }

// Run listens until ctx ends, and returns when its connection is closed.
func (l *Listener) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { l.runProbes(ctx) })
	running.Go(func() { l.runDrains(ctx) })
	defer running.Wait()
	inner := pgxlisten.Listener{
		Connect:        l.connect,
		LogError:       l.onError,
		ReconnectDelay: -1, // connect backs off
	}
	inner.Handle(Channel, &handler{l, l.onNotification})
	inner.Handle(probeChannel, &handler{l, l.onProbe})
	inner.Handle(ControlChannel, &handler{l, l.opts.OnControl})
	_ = inner.Listen(ctx) // returns only the error of ctx, and retries after all others
}

// Close closes the connection of a listener that was not run.
func (l *Listener) Close() {
	l.mu.Lock()
	conn := l.initial
	l.initial = nil
	l.mu.Unlock()
	if conn != nil {
		_ = conn.Close(context.Background())
	}
}

// Status returns the state of the listener. It is safe for concurrent use.
func (l *Listener) Status() status.Listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := status.Listener{Live: l.live, RoundTrip: l.roundTrip, Disconnects: l.disconnects}
	if reason := l.explain(); !l.live && reason != nil {
		s.Reason = reason.Error()
	}
	return s
}

// explain returns the reason, with the advice for a pooler. The caller must hold mu.
func (l *Listener) explain() error {
	if l.reason == nil || !l.throughPooler || errors.Is(l.reason, errNoEcho) {
		return l.reason
	}
	return fmt.Errorf("%w; the connection leads through a pooler, which must not be in transaction mode: "+
		"give a direct URL with --listen-database-url", l.reason)
}

// WaitLive waits until the listener is live. If ctx ends first, the error contains the reason.
func (l *Listener) WaitLive(ctx context.Context) error {
	for {
		l.mu.Lock()
		live, changed, reason := l.live, l.changed, l.explain()
		l.mu.Unlock()
		if live {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for the listener: %w", errors.Join(reason, ctx.Err()))
		}
	}
}

// signal sends v without waiting. If c is full, it discards v: the receiver has not yet taken the last value.
func signal[T any](c chan<- T, v T) {
	select {
	case c <- v:
	default:
	}
}

// handler passes the notifications of one channel to the listener.
type handler struct {
	listener *Listener
	handle   func(payload string)
}

// HandleNotification runs on the goroutine that reads the socket. It must not block: a listener that
// does not read keeps the notification queue of the whole cluster from being truncated.
func (h *handler) HandleNotification(_ context.Context, n *pgconn.Notification, _ *pgx.Conn) error {
	h.handle(n.Payload)
	return nil
}

// HandleBacklog runs after the LISTEN of each channel. After an error, pgxlisten would log it and go on
// listening, so HandleBacklog closes the connection: the next read fails, and the listener reconnects.
func (h *handler) HandleBacklog(ctx context.Context, _ string, conn *pgx.Conn) error {
	if err := h.listener.validate(ctx, conn); err != nil {
		_ = conn.Close(ctx)
		return err
	}
	h.listener.onListening()
	return nil
}

// onListening counts the channels of a new connection. After the last one it wakes the reader, since
// events may have been written while no connection listened.
func (l *Listener) onListening() {
	l.mu.Lock()
	l.channels++
	all := l.channels == channelCount
	l.mu.Unlock()
	if all {
		signal(l.wake, struct{}{})
		signal(l.ready, struct{}{})
		signal(l.drainWanted, struct{}{})
	}
}

// onNotification handles a wake-up. It ignores those of this server's own leader, which has woken the
// reader itself.
func (l *Listener) onNotification(payload string) {
	n, now := parseNotification(payload, l.name), time.Now()
	l.mu.Lock()
	l.lastReceived = now
	busy := !n.fromLeader && l.meter.isBusy(now)
	l.mu.Unlock()
	if busy || n.draining && !n.own {
		signal(l.leaderWanted, struct{}{})
	}
	if !n.own {
		signal(l.wake, struct{}{})
	}
}

// onProbe handles a probe, and ignores those of other servers.
func (l *Listener) onProbe(payload string) {
	if len(payload) > len(l.name) && strings.HasPrefix(payload, l.name) {
		signal(l.echo, payload)
	}
}

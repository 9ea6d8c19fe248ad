package notify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgxlisten"

	"github.com/pgherald/pgherald/db"
)

// Channel is the NOTIFY channel on which triggers ring. Its payload is for people in psql.
const Channel = "pgherald"

// probeChannel is the channel on which listeners hear themselves. It is another one, so that
// `LISTEN pgherald` in psql shows writes and nothing else.
const probeChannel = "pgherald_probe"

// ControlChannel is where servers tell each other that there is something for them in a table.
const ControlChannel = "pgherald_control"

// channels is how many there are.
const channels = 3

// Listener holds the one connection that LISTENs, outside of any pool, and turns notifications
// into wake-ups. It reconnects for ever.
type Listener struct {
	config *pgx.ConnConfig
	sender *pgxpool.Pool
	opts   ListenerOptions
	name   string // tells our probes from those of other servers

	wake      chan struct{} // has room for one: it only says that there is something
	listening chan struct{} // likewise: a new connection listens
	echo      chan string   // likewise: a probe that came back
	busy      chan struct{} // likewise: a waker is wanted

	mu          sync.Mutex
	first       *pgx.Conn          // made by Open, guarded by mu as are those below
	conn        *pgx.Conn          // the connection in use
	using       context.Context    // ends with it
	lost        context.CancelFunc // ends using
	connected   time.Time          // since when
	channels    int                // on how many of its channels it listens
	attempts    int                // to connect since it was last live
	live        bool               // a probe came back on this connection
	changed     chan struct{}      // closed when live changes
	heard       time.Time          // when the last notification came
	meter       notificationMeter  // of the triggers' notifications
	roundTrip   time.Duration      // of the last probe
	reason      error              // why it is not live
	disconnects uint64             // how often it was live and went down

	// backlog is what must work on each new connection before it counts.
	backlog func(context.Context, *pgx.Conn) error
}

// OpenListener connects, so that an address that cannot work is an error at once. Probes are sent
// through sender, which must lead to the same database.
//
// url must not lead through a transaction-mode pooler, where LISTEN is accepted and has no effect.
func OpenListener(ctx context.Context, url string, sender *pgxpool.Pool, opts ListenerOptions) (*Listener, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read listener's database URL: %w", err)
	}
	db.SetApplicationName(config, "pgherald listener")
	l := &Listener{
		config:    config,
		sender:    sender,
		opts:      opts.withDefaults(),
		name:      fmt.Sprintf("%016x", rand.Uint64()),
		wake:      make(chan struct{}, 1),
		listening: make(chan struct{}, 1),
		echo:      make(chan string, 1),
		busy:      make(chan struct{}, 1),
		changed:   make(chan struct{}),
		reason:    errors.New("not started"),
		backlog:   db.CheckServer,
	}
	l.first, err = l.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect the listener: %w", err)
	}
	return l, nil
}

// Wake is signalled when there may be something new in the log.
func (l *Listener) Wake() <-chan struct{} { return l.wake }

// Close closes the connection of a listener that was never run.
func (l *Listener) Close() {
	l.mu.Lock()
	conn := l.first
	l.first = nil
	l.mu.Unlock()
	if conn != nil {
		_ = conn.Close(context.Background())
	}
}

// ListenerStatus says how the listener is.
type ListenerStatus struct {
	Live        bool
	RoundTrip   time.Duration // of the last probe
	Reason      string        // why it is not live
	Disconnects uint64        // how often it was live and went down
}

// Status says how the listener is.
func (l *Listener) Status() ListenerStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := ListenerStatus{Live: l.live, RoundTrip: l.roundTrip, Disconnects: l.disconnects}
	if !l.live && l.reason != nil {
		s.Reason = l.reason.Error()
	}
	return s
}

// WaitLive waits until the listener is live. When ctx ends first, its error says what is wrong.
func (l *Listener) WaitLive(ctx context.Context) error {
	for {
		l.mu.Lock()
		live, changed, reason := l.live, l.changed, l.reason
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

// Run listens until ctx ends, and returns when its connection is closed.
func (l *Listener) Run(ctx context.Context) {
	var watchdog sync.WaitGroup
	watchdog.Go(func() { l.watch(ctx) })
	defer watchdog.Wait()
	inner := pgxlisten.Listener{
		Connect:        l.connect,
		LogError:       func(ctx context.Context, err error) { l.down(ctx, err) },
		ReconnectDelay: -1, // connect waits, longer each time
	}
	inner.Handle(Channel, &handler{l, l.onNotification})
	inner.Handle(probeChannel, &handler{l, l.onProbe})
	inner.Handle(ControlChannel, &handler{l, l.opts.Control})
	_ = inner.Listen(ctx) // returns ctx's error alone: everything else it retries
}

// connect is called by pgxlisten for each connection. It waits before all but the first attempt.
func (l *Listener) connect(ctx context.Context) (*pgx.Conn, error) {
	l.mu.Lock()
	conn := l.first
	l.first = nil
	attempts := l.attempts
	l.attempts++
	l.mu.Unlock()
	if conn == nil {
		if err := l.wait(ctx, attempts); err != nil {
			return nil, err
		}
		var err error
		if conn, err = l.dial(ctx); err != nil {
			return nil, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn, l.connected, l.channels = conn, time.Now(), 0
	l.using, l.lost = context.WithCancel(ctx)
	return conn, nil
}

func (l *Listener) dial(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.opts.ProbeTimeout,
		fmt.Errorf("no connection within %v", l.opts.ProbeTimeout))
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, l.config)
	if err != nil && context.Cause(ctx) != nil {
		return nil, errors.Join(err, context.Cause(ctx))
	}
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, db.AllowIdleSQL); err != nil {
		return nil, errors.Join(fmt.Errorf("set up the listener's session: %w", err), conn.Close(ctx))
	}
	return conn, nil
}

// wait backs off before the given attempt, with jitter, so that servers do not return in step.
func (l *Listener) wait(ctx context.Context, attempt int) error {
	backoff := min(50*time.Millisecond<<min(attempt, 10), l.opts.MaxBackoff)
	return sleep(ctx, backoff/2+rand.N(backoff/2+1))
}

// handler passes what pgxlisten hears on to the listener.
type handler struct {
	listener *Listener
	handle   func(payload string)
}

// HandleNotification runs on the loop that reads the socket: it must not block, or the
// notification queue of the whole cluster fills up.
func (h *handler) HandleNotification(_ context.Context, n *pgconn.Notification, _ *pgx.Conn) error {
	h.handle(n.Payload)
	return nil
}

// HandleBacklog runs right after LISTEN. pgxlisten only logs its error and goes on listening, so
// the connection is closed here: then the next read fails, and all begins anew.
func (h *handler) HandleBacklog(ctx context.Context, _ string, conn *pgx.Conn) error {
	if err := h.listener.backlog(ctx, conn); err != nil {
		_ = conn.Close(ctx)
		return err
	}
	h.listener.onListening()
	return nil
}

func (l *Listener) onListening() {
	l.mu.Lock()
	l.channels++
	all := l.channels == channels
	l.mu.Unlock()
	if all {
		signal(l.wake, struct{}{}) // what was written while nobody listened was not announced
		signal(l.listening, struct{}{})
	}
}

func (l *Listener) onNotification(payload string) {
	ring, now := parseNotification(payload, l.name), time.Now()
	l.mu.Lock()
	l.heard = now
	often := !ring.fromLeader && l.meter.often(now)
	l.mu.Unlock()
	if often || ring.draining && !ring.own {
		signal(l.busy, struct{}{})
	}
	if !ring.own { // our own waker has woken the reader already
		signal(l.wake, struct{}{})
	}
}

func (l *Listener) onProbe(payload string) {
	if len(payload) > len(l.name) && payload[:len(l.name)] == l.name {
		signal(l.echo, payload)
	}
}

// signal sends without waiting: if nobody has taken the last one yet, that one will do.
func signal[T any](c chan<- T, v T) {
	select {
	case c <- v:
	default:
	}
}

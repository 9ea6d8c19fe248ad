package notify

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
)

// wakerLock is the advisory lock of the waker: "pgherald" in ASCII, less its last letter, and a
// number. The triggers that package triggers generates ask for the same one.
const LeaderLock = 0x7067686572616c02

// WakerOptions are a waker's times. Zero values mean the defaults.
type LeaderOptions struct {
	// MinPoll and MaxPoll bound the time between two looks at the log while the waker is up: how late
	// an event may be, and how often all servers are woken. 1 ms and 6 ms if 0; see pollInterval.
	// While this server gathers events for its streams, it is up to four times MaxPoll.
	MinPoll, MaxPoll time.Duration
	// Window is how long it must be quiet before the waker rests; 200 ms if 0.
	Window time.Duration
	// SessionLimit is how long the server waits for a waker that says nothing before it ends its
	// session, and with it the lock; 2 s if 0.
	SessionLimit time.Duration
	// NextPass is when this server writes to its streams next, as far as it is known: see
	// [stream.Feed.Follow]. nil if it is not.
	NextPass func() time.Time
	// OnStep is told of each step of a hand-over, on the waker's own goroutine: a test can freeze
	// a waker there.
	OnStep func(LeaderStep)
	// Logger is told when the waker's session is lost.
	Logger *slog.Logger
}

func (o LeaderOptions) withDefaults() LeaderOptions {
	if o.MinPoll <= 0 {
		o.MinPoll = time.Millisecond
	}
	if o.MaxPoll <= 0 {
		o.MaxPoll = 6 * time.Millisecond
	}
	if o.Window <= 0 {
		o.Window = 200 * time.Millisecond
	}
	if o.SessionLimit <= 0 {
		o.SessionLimit = 2 * time.Second
	}
	if o.OnStep == nil {
		o.OnStep = func(LeaderStep) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// WakerStep is a step of a hand-over between writers that ring for themselves and a waker.
type LeaderStep string

// The steps, in the order in which a reign takes them.
const (
	StepOpened   LeaderStep = "opened"   // has a session, and not the lock
	StepLocked   LeaderStep = "locked"   // has the lock, and has not read
	StepLeading  LeaderStep = "up"       // has read and rung once
	StepQuiet    LeaderStep = "quiet"    // about to give the lock back
	StepReleased LeaderStep = "released" // has given it back, and not read since
	StepDraining LeaderStep = "draining" // has read; transactions may be open that skipped their NOTIFY
	StepDrained  LeaderStep = "drained"  // those have ended, and were read
)

// Waker rings for the writers while they write often, so that their commits need not queue for the
// lock that NOTIFY takes.
//
// Each server runs one. When notifications are frequent it tries to take an advisory lock, on a session
// of its own. Whichever has it is up: it polls the log and NOTIFYs once for each poll that found
// something. A trigger inserts its events, then asks for the same lock, shared and without waiting, and
// rings only if it gets it. When it is quiet, the waker gives the lock back and drains: it polls on
// until all transactions have ended that may have seen it held. There is no other election, and none
// of this while notifications are rare.
//
// # Why no event waits
//
// A transaction T inserts its events (so it has a number, which others see running until it ends), then
// checks the lock (C), then commits (V). A reign has the lock from A to R. It polls all the time, and
// each poll finds whatever was committed since the poll before; its first poll after A announces
// without looking. Each of these is at most one poll's interval after V, or two where polls come so
// thick that the server's own reader is woken with each and not for what it finds:
//
//   - C before A, or after R: the lock is free at C, and T rings for itself. Nobody else ever holds it
//     exclusively, and those who hold it shared do not keep T from sharing it.
//   - A < C < R and V before R: the first poll after V announces T. That is a poll with the lock, or at
//     the latest the one after R.
//   - A < C < R < V: T had its number before R, and the waker draws a number for itself after R. So T is
//     below that, and the waker goes on polling until all below it have ended. The poll that shows that T
//     has ended finds its events.
//   - C < A < V: T rings. That the waker finds it too is one read too many.
//
// The waker may end in between. Its lock ends with its session, and from then on writers ring.
//
//   - It stops in good order: it gives the lock back, polls once more, and if transactions are left that
//     may have seen the lock it asks the other servers for a successor. Whoever has the lock next has
//     A' after R: its first poll announces all that was committed by then, and its own drain waits for
//     all of ours that are still open at R'. The same holds for anyone who takes the lock at any time.
//   - It loses its session (killed, or cut off): it wakes its own reader, ends what may be left of the
//     session, and begins a new reign, as its own successor.
//   - Its process is killed or its backend frozen, or it is frozen itself: nobody announces what was
//     written under the lock in its last moments, and for as long as the lock is held. Then the feeds'
//     reads find it, one second after the other ([stream.Feed.Follow]), and count it as unannounced.
//     The server ends a session that is silent for SessionLimit (from PostgreSQL 14 on; before, only one
//     whose machine is gone), so that writers ring again.
type Leader struct {
	config   *pgx.ConnConfig
	listener *Listener
	opts     LeaderOptions

	mu     sync.Mutex
	status LeaderStatus
}

// WakerStatus says what a waker is doing.
type LeaderStatus struct {
	State string // resting, up or draining
	Terms uint64 // how often it was up
}

// The states of a waker.
const (
	leaderIdle     = "resting"
	leaderLeading  = "up"
	leaderDraining = "draining"
)

// NewWaker returns a waker for the listener's database. It connects when notifications are frequent,
// and then to url, which must not lead through a transaction-mode pooler.
func NewLeader(listener *Listener, url string, opts LeaderOptions) (*Leader, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read waker's database URL: %w", err)
	}
	db.SetApplicationName(config, "pgherald waker")
	config.ConnectTimeout = 5 * time.Second
	return &Leader{config: config, listener: listener, opts: opts.withDefaults(), status: LeaderStatus{State: leaderIdle}}, nil
}

// Status says what the waker is doing.
func (w *Leader) Status() LeaderStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

func (w *Leader) become(state string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if state == leaderLeading && w.status.State != leaderLeading {
		w.status.Terms++
	}
	w.status.State = state
}

// Run wakes while it is needed, until ctx ends. It then leaves what it owes to another server.
func (w *Leader) Run(ctx context.Context) {
	defer w.become(leaderIdle)
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-w.listener.busy:
		}
		r := &term{leader: w}
		err := r.run(ctx)
		for attempt := 1; err != nil && ctx.Err() == nil; attempt++ {
			w.opts.Logger.Warn("waker's session ended; what it was about to announce may be late", "error", err)
			w.become(leaderIdle)
			r.wakeReader() // what it was about to announce
			if !r.owing || w.listener.wait(ctx, attempt) != nil {
				break
			}
			err = r.run(ctx)
		}
		w.become(leaderIdle)
	}
}

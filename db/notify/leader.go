package notify

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream/backoff"
	"github.com/pgherald/pgherald/stream/pacing"
	"github.com/pgherald/pgherald/stream/status"
)

// connectTimeout bounds each attempt of the leader to connect.
const connectTimeout = 5 * time.Second

// leaderApplication is the application name of a leader's session.
const leaderApplication = "pgherald leader"

// LeaderOptions configure a Leader. Zero values mean the defaults.
type LeaderOptions struct {
	// MinPoll and MaxPoll bound the time between two polls of a leading server. The time is the delay
	// of an event at most, and it decides how often all servers are woken. The defaults are 1 ms and
	// 6 ms. While this server waits for its next fan-out pass, the interval may reach
	// [pacing.GatherPolls] times MaxPoll.
	MinPoll, MaxPoll time.Duration
	// Window is how long the writers must be quiet before the leader resigns; 200 ms by default.
	Window time.Duration
	// SessionTimeout is how long PostgreSQL keeps the session of a leader that sends nothing, and how
	// long a statement of the leader may take; 2 s by default. The lock ends with the session.
	SessionTimeout time.Duration
	// HolderAfter is how long another program must have held the leader's lock until it is reported; 10 s by
	// default.
	HolderAfter time.Duration
	// Schedule says when this server makes its next fan-out pass, for which polls wait. With nil, they
	// do not wait.
	Schedule *pacing.Schedule
	// OnPoll is called before each poll of a term except the first. Run waits until it returns. Tests
	// use it to act between two polls.
	OnPoll func()
	// OnStep is called with each step. Run waits until it returns. Tests use it to stop a leader at a
	// step.
	OnStep func(LeaderStep)
	// Logger receives a warning for each lost session. The default discards it.
	Logger *slog.Logger
}

func (o LeaderOptions) withDefaults() LeaderOptions {
	if o.MinPoll <= 0 {
		o.MinPoll = pacing.MinPollInterval
	}
	if o.MaxPoll <= 0 {
		o.MaxPoll = pacing.MaxPollInterval
	}
	if o.Window <= 0 {
		o.Window = pacing.PollWindow
	}
	if o.SessionTimeout <= 0 {
		o.SessionTimeout = pacing.SessionTimeout
	}
	if o.HolderAfter <= 0 {
		o.HolderAfter = 10 * time.Second
	}
	if o.OnPoll == nil {
		o.OnPoll = func() {}
	}
	if o.OnStep == nil {
		o.OnStep = func(LeaderStep) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// LeaderStep names a moment of a term or its drain. A state spans several steps: the steps separate
// the intervals in which a writer's transaction can act.
type LeaderStep string

// The steps, in the order of a term.
const (
	StepConnected LeaderStep = "connected" // has a session, without the lock
	StepAcquired  LeaderStep = "acquired"  // has the lock, and has not polled since
	StepLeading   LeaderStep = "leading"   // has polled and announced once
	StepQuiet     LeaderStep = "quiet"     // is about to release the lock
	StepReleased  LeaderStep = "released"  // has released the lock, and has not polled since
	StepDraining  LeaderStep = "draining"  // has polled; transactions may be open that sent no NOTIFY
	StepDrained   LeaderStep = "drained"   // has polled after the last of these transactions ended
)

// Leader sends the wake-ups for the writers while it leads. Each server runs one; the package
// documentation describes the protocol.
type Leader struct {
	config   *pgx.ConnConfig
	listener *Listener
	opts     LeaderOptions

	retry *backoff.Retry // of its sessions

	mu     sync.Mutex
	status status.Leader // guarded by mu
}

// Pauses of a leader after a session that could not be opened, or was lost.
const (
	minLeaderPause = 100 * time.Millisecond
	maxLeaderPause = 10 * time.Second
)

// NewLeader returns an idle Leader that starts when the listener receives many notifications. It then
// connects to url, which must lead to the listener's database and not through a transaction-mode
// pooler.
func NewLeader(listener *Listener, url string, opts LeaderOptions) (*Leader, error) {
	config, err := db.ParseSession(url, leaderApplication)
	if err != nil {
		return nil, fmt.Errorf("parse the leader's database URL: %w", err)
	}
	config.ConnectTimeout = connectTimeout
	l := &Leader{config: config, listener: listener, opts: opts.withDefaults(), status: status.Leader{State: status.Idle}}
	l.retry = backoff.New(backoff.Options{
		Min: minLeaderPause, Max: maxLeaderPause,
		Failing: "leader session failed, retrying; writers send their own wake-ups", Recovered: "leader session opened again",
		Level: slog.LevelWarn, Logger: l.opts.Logger,
	})
	return l, nil
}

// Status returns the state of the leader. It is safe for concurrent use.
func (l *Leader) Status() status.Leader {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.status
	s.Failures, _ = l.retry.Failures()
	return s
}

func (l *Leader) setState(state status.LeaderState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if state == status.Leading && l.status.State != status.Leading {
		l.status.Terms++
	}
	l.status.State = state
}

// Run campaigns whenever the listener receives many notifications, and leads and drains when it wins. After a session
// that could not be opened or was lost, it backs off, however many notifications arrive: without a leader, writers
// send their own. It returns after ctx has ended, the lock is released and the session is closed. If transactions are
// left to drain by then, it has requested a successor.
func (l *Leader) Run(ctx context.Context) {
	defer l.setState(status.Idle)
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.listener.leaderWanted:
		}
		t := &leadership{leader: l}
		for again := true; again && ctx.Err() == nil; {
			again = l.tryLead(ctx, t)
		}
		l.setState(status.Idle)
		if l.retry.Wait(ctx) != nil {
			return
		}
	}
}

// tryLead runs the leadership on one session. It reports whether it must go on with another one, after a pause.
func (l *Leader) tryLead(ctx context.Context, t *leadership) (again bool) {
	err := t.run(ctx)
	if ctx.Err() != nil {
		return false
	}
	if err == nil {
		return false
	}
	l.retry.Failed(err)
	l.setState(status.Idle)
	t.wakeReader() // a poll may have found events and lost its answer
	return t.mustDrain && l.retry.Wait(ctx) == nil
}

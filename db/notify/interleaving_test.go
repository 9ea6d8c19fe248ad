package notify_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
)

// Moments at which a leader is idle. They complete the steps to a whole sequence.
const (
	idleBefore notify.LeaderStep = "idle before"
	idleAfter  notify.LeaderStep = "idle after"
)

// The sequences of steps from idle to idle. In twoTerms the drain of the first term is cut short by a
// second one, which begins while transactions of the first are still open.
var (
	oneTerm = []notify.LeaderStep{
		idleBefore, notify.StepConnected,
		notify.StepAcquired, notify.StepLeading, notify.StepQuiet, notify.StepReleased, notify.StepDraining,
		notify.StepDrained, idleAfter,
	}
	twoTerms = []notify.LeaderStep{
		idleBefore, notify.StepConnected,
		notify.StepAcquired, notify.StepLeading, notify.StepQuiet, notify.StepReleased, notify.StepDraining,
		notify.StepAcquired, notify.StepLeading, notify.StepQuiet, notify.StepReleased, notify.StepDraining,
	}
)

// TestEveryInterleavingIsAnnounced plays the proof in the package documentation: a transaction writes at
// one step, commits at the same or a later one, and is the only writer. Its commit must wake the leader's
// server and another one.
func TestEveryInterleavingIsAnnounced(t *testing.T) {
	for name, steps := range map[string][]notify.LeaderStep{"one term": oneTerm, "two terms": twoTerms} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSteppedLeader(t, steps)
			for write := range steps {
				for commit := write; commit < len(steps); commit++ {
					if steps[commit] == notify.StepDrained && write <= slices.Index(steps, notify.StepQuiet) {
						break // the drain waits for this transaction
					}
					s.play(write, commit)
				}
			}
		})
	}
}

// The ways in which an event can enter the log. Each transaction takes one of them.
var writeSQL = []string{
	`insert into public.rows (id) values ($1)`,
	`select pgherald.publish('note', '1', $1::bigint::text)`,
}

// steppedLeader is a leader that waits at each step, with an observer on its server and one on another.
type steppedLeader struct {
	t       *testing.T
	conn    *pgx.Conn // sends notifications, and writes nothing
	writer  *pgx.Conn
	blocker *pgx.Conn // holds a transaction open
	own     *observer
	other   *observer
	steps   []notify.LeaderStep
	at      int // index of the current step
	arrived chan notify.LeaderStep
	resume  chan struct{}
	plays   int
}

func newSteppedLeader(t *testing.T, steps []notify.LeaderStep) *steppedLeader {
	t.Helper()
	url := newWatchedTable(t)
	s := &steppedLeader{
		t: t, conn: pgtest.Connect(t, url), writer: pgtest.Connect(t, url), blocker: pgtest.Connect(t, url),
		own: newObserver(t, url), other: newObserver(t, url), steps: steps,
		arrived: make(chan notify.LeaderStep), resume: make(chan struct{}),
	}
	done := make(chan struct{})
	opts := notify.LeaderOptions{Window: 4 * time.Millisecond, SessionTimeout: hangLimit, OnStep: func(step notify.LeaderStep) {
		select {
		case s.arrived <- step:
		case <-done:
			return
		}
		select {
		case <-s.resume:
		case <-done:
		}
	}}
	leader, err := notify.NewLeader(s.own.listener, url, opts)
	if err != nil {
		t.Fatal(err)
	}
	runUntilEnd(t, leader.Run)
	t.Cleanup(func() { close(done) })
	return s
}

// play takes the leader through its steps. A transaction writes at one of them and commits at another,
// given by their indexes.
func (s *steppedLeader) play(write, commit int) {
	s.t.Helper()
	s.plays++
	if s.reacquiresBefore(commit) { // an open transaction keeps the first drain from ending
		pgtest.Exec(s.t, s.blocker, `begin`)
		pgtest.Exec(s.t, s.blocker, `select pg_current_xact_id()`)
	}
	pgtest.Exec(s.t, s.writer, `begin`)
	for s.at = 0; ; s.advance() {
		if s.at == write {
			pgtest.Exec(s.t, s.writer, writeSQL[s.plays%len(writeSQL)], s.plays)
		}
		if s.at == commit {
			break
		}
	}
	if s.reacquiresBefore(commit) {
		pgtest.Exec(s.t, s.blocker, `rollback`)
	}
	s.own.flush(s.conn)
	s.other.flush(s.conn)
	pgtest.Exec(s.t, s.writer, `commit`)
	s.finish()
	for name, o := range map[string]*observer{"the leader's own server": s.own, "another server": s.other} {
		if !o.isWoken() {
			s.t.Fatalf("%q, written at step %d (%s) and committed at step %d (%s), was not announced to %s",
				writeSQL[s.plays%len(writeSQL)], write, s.steps[write], commit, s.steps[commit], name)
		}
	}
}

// reacquiresBefore reports whether the leader acquires the lock a second time up to this step.
func (s *steppedLeader) reacquiresBefore(step int) bool {
	return slices.Index(s.steps[:step+1], notify.StepAcquired) != lastIndex(s.steps[:step+1], notify.StepAcquired)
}

func lastIndex(steps []notify.LeaderStep, step notify.LeaderStep) int {
	for i, s := range slices.Backward(steps) {
		if s == step {
			return i
		}
	}
	return -1
}

// advance lets the leader go on to the next step, and requests a leader where the sequence needs it.
func (s *steppedLeader) advance() {
	s.t.Helper()
	s.at++
	want := s.steps[s.at]
	if s.at == 1 || want == notify.StepAcquired && s.steps[s.at-1] == notify.StepDraining {
		requestLeader(s.t, s.conn)
		s.own.flush(s.conn)
	}
	if s.at > 1 {
		s.resume <- struct{}{}
	}
	if want == idleAfter {
		return
	}
	select {
	case got := <-s.arrived:
		if got != want {
			s.t.Fatalf("the leader took the step %q, want %q", got, want)
		}
	case <-time.After(hangLimit):
		s.t.Fatalf("the leader did not take the step %q", want)
	}
}

// finish lets the leader go on until it is idle.
func (s *steppedLeader) finish() {
	s.t.Helper()
	if s.at == 0 || s.steps[s.at] == idleAfter {
		return
	}
	for step := s.steps[s.at]; step != notify.StepDrained; {
		s.resume <- struct{}{}
		select {
		case step = <-s.arrived:
		case <-time.After(hangLimit):
			s.t.Fatalf("the leader did not finish its drain after the step %q", step)
		}
	}
	s.resume <- struct{}{}
}

// publish must have its number before it checks the lock: a leader that holds the lock during the check waits for each transaction
// that has one. Here a lock on the table delays the insert until the leader drains.
func TestPublishIsWaitedFor(t *testing.T) {
	s := newSteppedLeader(t, oneTerm)
	for s.steps[s.at] != notify.StepQuiet {
		s.advance()
	}
	pgtest.Exec(t, s.blocker, `begin`)
	pgtest.Exec(t, s.blocker, `lock table pgherald.events in share mode`)
	published := make(chan error, 1)
	go func() {
		_, err := s.writer.Exec(context.Background(), `select pgherald.publish('note', '1')`)
		published <- err
	}()
	s.awaitBlocked(s.writer)
	for s.steps[s.at] != notify.StepDraining {
		s.advance()
	}
	s.own.flush(s.conn)
	s.other.flush(s.conn)
	pgtest.Exec(t, s.blocker, `rollback`)
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	s.finish()
	if !s.own.isWoken() || !s.other.isWoken() {
		t.Error("the published event was not announced")
	}
}

// awaitBlocked waits until the connection waits for a lock.
func (s *steppedLeader) awaitBlocked(conn *pgx.Conn) {
	s.t.Helper()
	pgtest.AwaitLockWait(s.t, s.conn, pgtest.LockWait{PID: conn.PgConn().PID()})
}

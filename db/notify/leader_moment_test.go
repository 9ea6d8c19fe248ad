package notify_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
)

// Moments at which no waker has a session.
const (
	resting notify.LeaderStep = "resting"
	rested  notify.LeaderStep = "rested" // after a reign
)

// oneReign is the steps between two rests. In twoReigns a drain is cut short, since writers ring too
// often: the waker takes the lock again before all have ended who skipped their NOTIFY in its first
// reign.
var (
	oneReign = []notify.LeaderStep{
		resting, notify.StepConnected, notify.StepAcquired, notify.StepLeading, notify.StepQuiet, notify.StepReleased, notify.StepDraining, notify.StepDrained, rested,
	}
	twoReigns = []notify.LeaderStep{
		resting, notify.StepConnected, notify.StepAcquired, notify.StepLeading, notify.StepQuiet, notify.StepReleased, notify.StepDraining,
		notify.StepAcquired, notify.StepLeading, notify.StepQuiet, notify.StepReleased, notify.StepDraining,
	}
)

// TestEveryMomentOfAHandover is the proof that stands in waker.go, played: a transaction writes at one
// step and commits at the same or a later one, and nothing else is written. The waker's own server must
// be woken by that, and so must another one. Nobody reads the log here without having been woken.
func TestEveryMomentOfAHandover(t *testing.T) {
	for name, steps := range map[string][]notify.LeaderStep{"one reign": oneReign, "two reigns": twoReigns} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHandover(t, steps)
			for write := range steps {
				for commit := write; commit < len(steps); commit++ {
					if steps[commit] == notify.StepDrained && write <= slices.Index(steps, notify.StepQuiet) {
						break // the drain waits for this one
					}
					h.play(write, commit)
				}
			}
		})
	}
}

// writes are the ways in which an event comes into the log. Each transaction takes one of them.
var writes = []string{
	`insert into public.rows (id) values ($1)`,
	`select pgherald.publish('note', '1', $1::bigint::text)`,
}

// handover plays hand-overs, one after the other.
type handover struct {
	t       *testing.T
	conn    *pgx.Conn // says things, and writes nothing
	writer  *pgx.Conn
	third   *pgx.Conn // has a transaction open
	own     *ear      // of the waker's server
	other   *ear
	steps   []notify.LeaderStep
	at      int // the step at which the waker stands
	arrived chan notify.LeaderStep
	resume  chan struct{}
	plays   int
}

func newHandover(t *testing.T, steps []notify.LeaderStep) *handover {
	t.Helper()
	url := watched(t)
	h := &handover{
		t: t, conn: pgtest.Connect(t, url), writer: pgtest.Connect(t, url), third: pgtest.Connect(t, url),
		own: newEar(t, url), other: newEar(t, url), steps: steps,
		arrived: make(chan notify.LeaderStep), resume: make(chan struct{}),
	}
	over := make(chan struct{})
	opts := notify.LeaderOptions{Window: 4 * time.Millisecond, OnStep: func(step notify.LeaderStep) {
		select {
		case h.arrived <- step:
		case <-over:
			return
		}
		select {
		case <-h.resume:
		case <-over:
		}
	}}
	waker, err := notify.NewLeader(h.own.listener, url, opts)
	if err != nil {
		t.Fatal(err)
	}
	background(t, waker.Run)
	t.Cleanup(func() { close(over) })
	return h
}

// play is one hand-over in which something is written at one step, and committed at another.
func (h *handover) play(write, commit int) {
	h.t.Helper()
	h.plays++
	if h.takesUp(commit) { // else the first drain may be over at once
		pgtest.Exec(h.t, h.third, `begin`)
		pgtest.Exec(h.t, h.third, `select pg_current_xact_id()`)
	}
	pgtest.Exec(h.t, h.writer, `begin`)
	for h.at = 0; ; h.next() {
		if h.at == write {
			pgtest.Exec(h.t, h.writer, writes[h.plays%len(writes)], h.plays)
		}
		if h.at == commit {
			break
		}
	}
	if h.takesUp(commit) {
		pgtest.Exec(h.t, h.third, `rollback`)
	}
	h.own.settle(h.conn)
	h.other.settle(h.conn)
	pgtest.Exec(h.t, h.writer, `commit`)
	h.finish()
	for name, e := range map[string]*ear{"the waker's own server": h.own, "another server": h.other} {
		if !e.hears() {
			h.t.Fatalf("%q, written at step %d (%s) and committed at step %d (%s), was not announced to %s",
				writes[h.plays%len(writes)], write, h.steps[write], commit, h.steps[commit], name)
		}
	}
}

// takesUp reports whether the waker takes the lock a second time until this step.
func (h *handover) takesUp(step int) bool {
	return slices.Index(h.steps[:step+1], notify.StepAcquired) != lastIndex(h.steps[:step+1], notify.StepAcquired)
}

func lastIndex(steps []notify.LeaderStep, of notify.LeaderStep) int {
	for i, step := range slices.Backward(steps) {
		if step == of {
			return i
		}
	}
	return -1
}

// next brings the waker to its next step, where it stays.
func (h *handover) next() {
	h.t.Helper()
	h.at++
	want := h.steps[h.at]
	if h.at == 1 || want == notify.StepAcquired && h.steps[h.at-1] == notify.StepDraining {
		ring(h.t, h.conn)
		h.own.settle(h.conn)
	}
	if h.at > 1 {
		h.resume <- struct{}{}
	}
	if want == rested {
		return
	}
	select {
	case got := <-h.arrived:
		if got != want {
			h.t.Fatalf("the waker came to %q, and should come to %q", got, want)
		}
	case <-time.After(30 * time.Second):
		h.t.Fatalf("the waker did not come to %q", want)
	}
}

// finish lets the waker go on until it rests.
func (h *handover) finish() {
	h.t.Helper()
	if h.at == 0 || h.steps[h.at] == rested {
		return
	}
	for step := h.steps[h.at]; step != notify.StepDrained; {
		h.resume <- struct{}{}
		select {
		case step = <-h.arrived:
		case <-time.After(30 * time.Second):
			h.t.Fatalf("the waker did not come to rest after %q", step)
		}
	}
	h.resume <- struct{}{}
}

// ear is a listener of whose wake-ups somebody takes note.
type ear struct {
	t        *testing.T
	listener *notify.Listener
	settled  chan string
	tokens   int
}

func newEar(t *testing.T, url string) *ear {
	t.Helper()
	e := &ear{t: t, settled: make(chan string, 10)}
	opts := quick
	opts.OnControl = func(token string) {
		select {
		case e.settled <- token:
		default:
		}
	}
	var err error
	if e.listener, err = notify.OpenListener(t.Context(), url, openPool(t, url), opts); err != nil {
		t.Fatal(err)
	}
	run(t, e.listener)
	waitLive(t, e.listener)
	return e
}

// settle returns when the listener has taken all that was notified until now, and forgets that it was
// woken. Notifications of one connection come in the order of their commits, on whichever channel.
func (e *ear) settle(conn *pgx.Conn) {
	e.t.Helper()
	e.tokens++
	token := fmt.Sprintf("%p %d", e, e.tokens)
	pgtest.Exec(e.t, conn, `select pg_notify($1, $2)`, notify.ControlChannel, token)
	timeout := time.After(30 * time.Second)
	for got := ""; got != token; {
		select {
		case got = <-e.settled:
		case <-timeout:
			e.t.Fatal("the listener hears nothing")
		}
	}
	select {
	case <-e.listener.Wake():
	default:
	}
}

// hears waits until the listener wakes its server.
func (e *ear) hears() bool {
	ctx, cancel := context.WithTimeout(e.t.Context(), 10*time.Second)
	defer cancel()
	select {
	case <-e.listener.Wake():
		return true
	case <-ctx.Done():
		return false
	}
}

// What has no number before it writes its event must not ask for the lock before that: the waker that
// has it then would not know of a transaction to wait for. Here the event is held up until the waker
// rests, and whoever asked too soon would stay silent.
func TestPublishAsksForTheLockAfterItsInsert(t *testing.T) {
	h := newHandover(t, oneReign)
	for h.steps[h.at] != notify.StepQuiet {
		h.next()
	}
	pgtest.Exec(t, h.third, `begin`)
	pgtest.Exec(t, h.third, `lock table pgherald.events in share mode`)
	published := make(chan error, 1)
	go func() {
		_, err := h.writer.Exec(context.Background(), `select pgherald.publish('note', '1')`)
		published <- err
	}()
	h.awaitBlocked(h.writer)
	for h.steps[h.at] != notify.StepDrained {
		h.next()
	}
	h.own.settle(h.conn)
	h.other.settle(h.conn)
	pgtest.Exec(t, h.third, `rollback`)
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	h.finish()
	if !h.own.hears() || !h.other.hears() {
		t.Error("what was published was not announced")
	}
}

// awaitBlocked waits until somebody waits for a lock.
func (h *handover) awaitBlocked(conn *pgx.Conn) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 30*time.Second)
	defer cancel()
	for blocked := false; !blocked; {
		err := h.conn.QueryRow(ctx, `select exists (select from pg_locks where pid = $1 and not granted)`, int64(conn.PgConn().PID())).Scan(&blocked)
		if err != nil {
			h.t.Fatalf("wait for a backend to be blocked: %v", err)
		}
	}
}

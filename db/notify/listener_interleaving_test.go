package notify_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
)

// The steps of a listener's connection, after a moment without any server.
var startSteps = []string{"no server", "connected", "shared", "listening", "boundary", "draining"}

// TestEveryInterleavingWithAStartIsRead plays the second proof in the package documentation: a transaction writes at one step of a
// server's start and commits at the same or a later one. It is the only writer, and no other server runs. A read that a
// wake-up has caused must find its event: the periodic reads of a feed do not take place here.
func TestEveryInterleavingWithAStartIsRead(t *testing.T) {
	url := newWatchedTable(t)
	s := &startScenario{url: url, writer: pgtest.Connect(t, url), reader: pgtest.Connect(t, url), pool: openPool(t, url)}
	for write := range startSteps {
		for commit := write; commit < len(startSteps); commit++ {
			if startSteps[commit] == "draining" && write > slices.Index(startSteps, "listening") {
				break // the drain does not wait for this transaction
			}
			s.plays++
			t.Run(startSteps[write]+", "+startSteps[commit], func(t *testing.T) { s.play(t, write, commit) })
		}
	}
}

type startScenario struct {
	url            string
	writer, reader *pgx.Conn
	pool           *pgxpool.Pool
	plays          int
}

// play writes and commits at the two steps, of which the listener waits at each. Then it lets it go on.
func (s *startScenario) play(t *testing.T, write, commit int) {
	before := len(loggedIDs(t, s.reader))
	starting := s.newStart(t)
	defer starting.free()
	pgtest.Exec(t, s.writer, `begin`)
	for at, step := range startSteps[:commit+1] {
		if at > 0 {
			starting.advance(t, step)
		}
		if at == write {
			pgtest.Exec(t, s.writer, writeSQL[s.plays%len(writeSQL)], s.plays)
		}
	}
	starting.discardWakeUps()
	pgtest.Exec(t, s.writer, `commit`)
	if commit == 0 {
		starting.advance(t, startSteps[1])
	}
	starting.free()
	l := starting.listener(t)
	for len(loggedIDs(t, s.reader)) != before+1 || !starting.woken {
		waitWake(t, l)
		starting.woken = true
	}
}

// start is a listener that starts, and waits at each step until free.
type start struct {
	url     string
	pool    *pgxpool.Pool
	began   bool
	woken   bool // since the commit
	arrived chan string
	resume  chan struct{}
	freed   chan struct{}
	free    func()
	opened  chan *notify.Listener
}

func (s *startScenario) newStart(t *testing.T) *start {
	st := &start{
		url: s.url, pool: s.pool, arrived: make(chan string), resume: make(chan struct{}),
		freed: make(chan struct{}), opened: make(chan *notify.Listener, 1),
	}
	st.free = sync.OnceFunc(func() { close(st.freed) })
	return st
}

func (st *start) onStep(step string) {
	select {
	case st.arrived <- step:
	case <-st.freed:
		return
	}
	select {
	case <-st.resume:
	case <-st.freed:
	}
}

// advance lets the listener go on to the step. At first it starts it.
func (st *start) advance(t *testing.T, step string) {
	t.Helper()
	if st.began {
		select {
		case st.resume <- struct{}{}:
		case <-time.After(hangLimit):
			t.Fatalf("the listener does not wait at the step before %q", step)
		}
	} else {
		st.began = true
		runUntilEnd(t, func(ctx context.Context) { st.run(ctx, t) })
	}
	select {
	case got := <-st.arrived:
		if got != step {
			t.Fatalf("the listener took the step %q, want %q", got, step)
		}
	case <-time.After(hangLimit):
		t.Fatalf("the listener did not take the step %q", step)
	}
}

func (st *start) run(ctx context.Context, t *testing.T) {
	opts := quick
	opts.ProbeTimeout = hangLimit // the steps count
	l, err := notify.OpenSteppedListener(ctx, st.url, st.pool, opts, st.onStep)
	if err != nil {
		t.Errorf("open the listener: %v", err)
		return
	}
	st.opened <- l
	l.Run(ctx)
}

func (st *start) listener(t *testing.T) *notify.Listener {
	t.Helper()
	select {
	case l := <-st.opened:
		st.opened <- l
		return l
	case <-time.After(hangLimit):
		t.Fatal("the listener did not open")
		return nil
	}
}

// discardWakeUps takes the wake-up that the listener has sent so far, as a reader does.
func (st *start) discardWakeUps() {
	select {
	case l := <-st.opened:
		st.opened <- l
		select {
		case <-l.Wake():
		default:
		}
	default:
	}
}

// While another program holds the listeners' lock, a listener does without it, since writers cannot get it either. Once
// the lock is free, it is shared, and a transaction that found it free meanwhile is read. The listener stays connected all the
// time: a program that takes the lock again and again must not disconnect it as often.
func TestListenerWithoutItsLock(t *testing.T) {
	url := newWatchedTable(t)
	conn, holder := pgtest.Connect(t, url), pgtest.Connect(t, url)
	key := strconv.FormatInt(notify.ListenerLock, 10)
	pgtest.Exec(t, holder, `select pg_advisory_lock(`+key+`)`)
	l := runListener(t, url)
	waitLive(t, l)
	awaitWakeUpOf(t, l, func() { pgtest.Exec(t, conn, `insert into public.rows (id) values (1)`) })
	pgtest.Exec(t, holder, `select pg_advisory_unlock(`+key+`)`)
	awaitShared(t, conn)
	var taken bool
	if err := holder.QueryRow(t.Context(), `select pg_try_advisory_lock(`+key+`)`).Scan(&taken); err != nil || taken {
		t.Errorf("the program takes the lock again: %v, %v", taken, err)
	}
	awaitWakeUpOf(t, l, func() { pgtest.Exec(t, conn, `insert into public.rows (id) values (2)`) })
	if s := l.Status(); s.Disconnects > 0 {
		t.Errorf("the listener was disconnected %d times", s.Disconnects)
	}
}

// The settings of a role must not make the lock of another program an error of the connection.
func TestListenersLockUnderAStatementTimeout(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	conn, holder := pgtest.Connect(t, url), pgtest.Connect(t, url)
	pgtest.Exec(t, holder, `select pg_advisory_lock($1)`, int64(notify.ListenerLock))
	pgtest.Exec(t, conn, `set statement_timeout = '200ms'`)
	for range 3 { // the timeout is that of the first statement, too, if this machine stands still
		_, err := conn.Exec(t.Context(), notify.ShareLockSQL(400*time.Millisecond))
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Code == pgerrcode.LockNotAvailable {
			return
		}
		t.Log(err)
	}
	t.Error("the wait for the lock never ends with its own timeout")
}

// An open transaction, which may stay so for ever, keeps no later connection from being drained: its own open transactions
// are others.
func TestEachConnectionIsDrained(t *testing.T) {
	url := newWatchedTable(t)
	conn, writer, earlier := pgtest.Connect(t, url), pgtest.Connect(t, url), pgtest.Connect(t, url)
	for _, sql := range []string{`begin`, `select pg_current_xact_id()`} {
		pgtest.Exec(t, earlier, sql)
	}
	steps := newStepLog(t, "connected") // of the second connection
	l := runStepped(t, url, steps.add)
	steps.await(t, "draining", 1)
	waitLive(t, l)
	terminateListener(t, conn)
	steps.await(t, "connected", 2)
	awaitUnshared(t, conn)
	pgtest.Exec(t, writer, `begin`)
	pgtest.Exec(t, writer, `insert into public.rows (id) values (1)`)
	steps.release()
	steps.await(t, "boundary", 2)
	steps.awaitNext(t, "draining") // its first look has woken the reader
	awaitWakeUpOf(t, l, func() { pgtest.Exec(t, writer, `commit`) })
	pgtest.Exec(t, earlier, `rollback`)
}

// stepLog counts the steps of a listener, and holds it at the second occurrence of one until release.
type stepLog struct {
	mu      sync.Mutex
	counts  map[string]int
	holdAt  string
	freed   chan struct{}
	release func()
}

func newStepLog(t *testing.T, holdAt string) *stepLog {
	s := &stepLog{counts: make(map[string]int), holdAt: holdAt, freed: make(chan struct{})}
	s.release = sync.OnceFunc(func() { close(s.freed) })
	t.Cleanup(s.release)
	return s
}

func (s *stepLog) add(step string) {
	s.mu.Lock()
	s.counts[step]++
	hold := step == s.holdAt && s.counts[step] == 2
	s.mu.Unlock()
	if hold {
		<-s.freed
	}
}

func (s *stepLog) count(step string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[step]
}

// await waits until the step has been taken n times.
func (s *stepLog) await(t *testing.T, step string, n int) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(hangLimit); s.count(step) < n; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("the listener took the step %q %d times, want %d", step, s.count(step), n)
		}
	}
}

// awaitNext waits until the step is taken once more.
func (s *stepLog) awaitNext(t *testing.T, step string) {
	t.Helper()
	s.await(t, step, s.count(step)+1)
}

// runStepped runs a listener whose steps may take as long as they like.
func runStepped(t *testing.T, url string, onStep func(string)) *notify.Listener {
	t.Helper()
	opts := quick
	opts.ProbeTimeout = hangLimit
	l, err := notify.OpenSteppedListener(t.Context(), url, openPool(t, url), opts, onStep)
	if err != nil {
		t.Fatal(err)
	}
	runUntilEnd(t, l.Run)
	return l
}

// awaitWakeUpOf waits for a wake-up that follows the write.
func awaitWakeUpOf(t *testing.T, l *notify.Listener, write func()) {
	t.Helper()
	select {
	case <-l.Wake():
	default:
	}
	write()
	waitWake(t, l)
}

// awaitShared waits until a session shares the lock, and awaitUnshared until none does.
func awaitShared(t *testing.T, conn *pgx.Conn)   { t.Helper(); awaitSharing(t, conn, true) }
func awaitUnshared(t *testing.T, conn *pgx.Conn) { t.Helper(); awaitSharing(t, conn, false) }

func awaitSharing(t *testing.T, conn *pgx.Conn, want bool) {
	t.Helper()
	const sql = `select exists (
		select from pg_locks as l join pg_database as d on d.oid = l.database
		where l.locktype = 'advisory' and l.mode = 'ShareLock' and l.granted and l.objid::bigint = $1::bigint & 4294967295
			and d.datname = current_database())`
	deadline := time.Now().Add(hangLimit)
	for shared := !want; shared != want; {
		if err := conn.QueryRow(t.Context(), sql, int64(notify.ListenerLock)).Scan(&shared); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("a session shares the lock: %v, want %v", shared, want)
		}
	}
}

// A writer that meets no listener sends nothing, and one that another session keeps from the lock does.
func TestWritersWithoutAServer(t *testing.T) {
	url := newWatchedTable(t)
	conn := pgtest.Connect(t, url)
	next := listenForWakeUps(t, url)
	for n, sql := range writeSQL {
		pgtest.Exec(t, conn, sql, n)
	}
	pgtest.Exec(t, conn, `select pg_notify('pgherald', 'end')`)
	if payload := next(); payload != "end" {
		t.Errorf("without a server, a writer sent %s", payload)
	}
	pgtest.Exec(t, pgtest.Connect(t, url), `select pg_advisory_lock_shared($1)`, int64(notify.ListenerLock))
	for n, sql := range writeSQL {
		pgtest.Exec(t, conn, sql, 10+n)
		if payload := next(); !strings.HasPrefix(payload, `{"`) {
			t.Errorf("received %s, want the notification of a writer", payload)
		}
	}
}

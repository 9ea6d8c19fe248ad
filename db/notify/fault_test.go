package notify_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
)

// faultSteps are the steps at which a leader may fail.
var faultSteps = []notify.LeaderStep{
	notify.StepConnected, notify.StepAcquired, notify.StepLeading,
	notify.StepQuiet, notify.StepReleased, notify.StepDraining,
}

// shortSession makes a leader whose session PostgreSQL ends soon after its last statement.
var shortSession = notify.LeaderOptions{SessionTimeout: 500 * time.Millisecond}

// idleTimeoutVersion is the version of PostgreSQL that brought idle_session_timeout.
const idleTimeoutVersion = 14

// testAtEachStep runs a test in which a leader fails at each step, while a transaction is open that has
// written. Whatever the fault, the witness has each event once in the end.
func testAtEachStep(t *testing.T, test func(t *testing.T, s *faultScenario)) {
	for _, step := range faultSteps {
		t.Run(string(step), func(t *testing.T) {
			t.Parallel()
			url := newWatchedTable(t)
			witness := newReplica(t, url, replicaOptions{withoutLeader: true})
			s := &faultScenario{url: url, step: step, conn: pgtest.Connect(t, url), witness: witness}
			test(t, s)
			s.insert(t, s.conn)
			s.witness.awaitDelivered(s.conn)
			t.Logf("%d events were counted as unannounced", s.witness.feed.Stats().Unannounced)
		})
	}
}

// faultScenario is the environment of a leader that fails at a step.
type faultScenario struct {
	url     string
	step    notify.LeaderStep
	conn    *pgx.Conn
	witness *replica // has no leader
	rows    int
}

func (s *faultScenario) insert(t *testing.T, q querier) {
	t.Helper()
	s.rows++
	if _, err := q.Exec(t.Context(), `insert into public.rows (id) values ($1)`, s.rows); err != nil {
		t.Fatal(err)
	}
}

// beginInsert returns a transaction that has written.
func (s *faultScenario) beginInsert(t *testing.T) pgx.Tx {
	t.Helper()
	tx := pgtest.Begin(t, s.url)
	s.insert(t, tx)
	return tx
}

// lead requests a leader and waits until it takes the step. It returns a transaction that has written. A
// leader drains only while a transaction is open, so that one may begin before.
func (s *faultScenario) lead(t *testing.T, awaitStep func(notify.LeaderStep)) pgx.Tx {
	t.Helper()
	var tx pgx.Tx
	if s.step == notify.StepDraining {
		tx = s.beginInsert(t)
	}
	requestLeader(t, s.conn)
	awaitStep(s.step)
	if tx == nil {
		tx = s.beginInsert(t)
	}
	return tx
}

// awaitUnlocked waits until no leader holds the lock.
func (s *faultScenario) awaitUnlocked(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hangLimit)
	defer cancel()
	if _, err := s.conn.Exec(ctx, `select pg_advisory_lock_shared($1)`, int64(notify.LeaderLock)); err != nil {
		t.Fatalf("wait for the leader's lock: %v", err)
	}
	pgtest.Exec(t, s.conn, `select pg_advisory_unlock_shared($1)`, int64(notify.LeaderLock))
}

// awaitUnlockedBesideFrozen waits until no leader holds the lock, while a leader is frozen. PostgreSQL 13 cannot end the
// session of a client that is silent: this does it for PostgreSQL, as the end of the leader's process would.
func (s *faultScenario) awaitUnlockedBesideFrozen(t *testing.T) {
	t.Helper()
	if pgtest.Version(t) < idleTimeoutVersion {
		pgtest.Exec(t, s.conn, `
			select pg_terminate_backend(l.pid)
			from pg_locks as l
			join pg_database as d on d.oid = l.database
			where l.locktype = 'advisory' and l.mode = 'ExclusiveLock' and l.granted and d.datname = current_database()`)
	}
	s.awaitUnlocked(t)
}

// resumeAlways lets a replica's leader go on whenever it is held at its step.
func (s *faultScenario) resumeAlways(t *testing.T, r *replica) {
	runUntilEnd(t, func(ctx context.Context) {
		for {
			select {
			case r.resume <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	})
}

// The leader replaces a terminated session and announces the events that the lost one left, to its own
// server and to others, without the help of periodic reads.
func TestLeaderSessionTerminatedAtEachStep(t *testing.T) {
	testAtEachStep(t, func(t *testing.T, s *faultScenario) {
		r := newReplica(t, s.url, replicaOptions{holdAt: s.step})
		tx := s.lead(t, r.awaitStep)
		s.insert(t, s.conn)
		pgtest.Exec(t, s.conn, `select pg_terminate_backend($1)`, r.backend.Load())
		s.insert(t, s.conn)
		r.resume <- struct{}{}
		s.resumeAlways(t, r)
		for _, server := range []*replica{r, s.witness} {
			server.awaitAnnounced(s.conn, "after the session was terminated")
		}
		pgtest.Commit(t, tx)
		for _, server := range []*replica{r, s.witness} {
			server.awaitAnnounced(s.conn, "after the commit of an earlier transaction")
		}
		s.insert(t, s.conn)
		r.awaitDelivered(s.conn)
	})
}

// While a leader is frozen, periodic reads find what it does not announce. After PostgreSQL has ended its
// session, writers notify again.
func TestLeaderFrozenAtEachStep(t *testing.T) {
	testAtEachStep(t, func(t *testing.T, s *faultScenario) {
		r := newReplica(t, s.url, replicaOptions{holdAt: s.step, leader: shortSession})
		tx := s.lead(t, r.awaitStep)
		s.insert(t, s.conn)
		s.witness.awaitDelivered(s.conn)
		s.awaitUnlockedBesideFrozen(t)
		next := listenForWakeUps(t, s.url)
		s.insert(t, s.conn)
		if payload := next(); !strings.HasPrefix(payload, `{"table"`) {
			t.Errorf("received %s, want the notification of the writer", payload)
		}
		pgtest.Commit(t, tx)
		s.witness.awaitDelivered(s.conn)
		s.resumeAlways(t, r)
		s.insert(t, s.conn)
		r.awaitDelivered(s.conn)
	})
}

// A frozen backend keeps the lock, and the leader, which gets no answer, cannot terminate it. Periodic reads
// find all events. When the backend goes on, so does the leader.
func TestLeaderBackendFrozenAtEachStep(t *testing.T) {
	testAtEachStep(t, func(t *testing.T, s *faultScenario) {
		r := newReplica(t, s.url, replicaOptions{holdAt: s.step, leader: shortSession})
		thaw := func() {}
		defer func() { thaw() }()
		tx := s.lead(t, func(step notify.LeaderStep) {
			r.awaitStep(step)
			pid := int(r.backend.Load()) // at once, before the session times out
			signalBackend(t, pid, syscall.SIGSTOP)
			thaw = sync.OnceFunc(func() { signalBackend(t, pid, syscall.SIGCONT) })
		})
		s.resumeAlways(t, r)
		s.insert(t, s.conn)
		s.witness.awaitDelivered(s.conn)
		pgtest.Commit(t, tx)
		s.witness.awaitDelivered(s.conn)
		thaw()
		s.insert(t, s.conn)
		r.awaitDelivered(s.conn)
		s.awaitUnlocked(t)
	})
}

func signalBackend(t *testing.T, pid int, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Errorf("send %v to the leader's backend: %v", sig, err)
	}
}

// A leader whose network is gone opens another session when it can, and terminates the old one, so that the
// lock is free at once.
func TestLeaderReplacesASessionThatWasCutOff(t *testing.T) {
	url := newWatchedTable(t)
	conn := pgtest.Connect(t, url)
	proxy := pgtest.NewProxyOf(t, url)
	leader := notify.LeaderOptions{Window: time.Hour, SessionTimeout: shortSession.SessionTimeout}
	r := newReplica(t, url, replicaOptions{leaderURL: proxy.URL(url), leader: leader})
	r.lead(conn, notify.StepLeading)
	proxy.Blackhole(true)
	pgtest.Exec(t, conn, `insert into public.rows (id) values (1)`)
	r.awaitDelivered(conn)
	select { // the network must not return before the leader has noticed
	case <-r.sessionLost:
	case <-time.After(hangLimit):
		t.Fatal("the leader has not given up its session")
	}
	proxy.Blackhole(false)
	r.awaitStep(notify.StepLeading)
	pgtest.Exec(t, conn, `insert into public.rows (id) values (2)`)
	r.awaitDelivered(conn)
}

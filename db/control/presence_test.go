package control_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/db/pgtest"
)

// presenceTest holds a database at which several servers write presence.
type presenceTest struct {
	*testing.T
	conn *pgx.Conn
	pool *pgxpool.Pool
	last int64 // id of the newest event already compared
}

func newPresenceTest(t *testing.T) *presenceTest {
	t.Helper()
	url := pgtest.NewDatabase(t)
	pool, err := db.OpenLogPool(t.Context(), url, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return &presenceTest{T: t, conn: pgtest.Connect(t, url), pool: pool}
}

// server returns a server that waits for as long as a machine with much other work may take to write.
func (w *presenceTest) server() *control.Presence {
	return control.NewPresence(w.pool, control.PresenceOptions{WriteTimeout: 5 * time.Minute})
}

// flush writes the changes of a server, as if the given time had passed.
func (w *presenceTest) flush(p *control.Presence, later time.Duration) {
	w.Helper()
	if err := p.Flush(w.Context(), time.Now().Add(later)); err != nil {
		w.Fatal(err)
	}
}

// flushAt writes the changes of a server as at a time. What must not have happened yet is checked with it: a test that takes its time
// would come too late with flush.
func (w *presenceTest) flushAt(p *control.Presence, at time.Time) {
	w.Helper()
	if err := p.Flush(w.Context(), at); err != nil {
		w.Fatal(err)
	}
}

// flushUntil writes the changes of a server every ten seconds after a time, the time between two heartbeats.
func (w *presenceTest) flushUntil(p *control.Presence, began time.Time, from, to time.Duration) {
	w.Helper()
	for ; from <= to; from += 10 * time.Second {
		w.flushAt(p, began.Add(from))
	}
}

// expectEvents compares the events logged since the last call, in any order.
func (w *presenceTest) expectEvents(want ...string) {
	w.Helper()
	rows, err := w.conn.Query(w.Context(), `
		select id, concat_ws(' ', type, key, data::text, audience::text)
		from pgherald.events where id > $1 order by id`, w.last)
	if err != nil {
		w.Fatal(err)
	}
	got := []string{}
	var line string
	if _, err := pgx.ForEachRow(rows, []any{&w.last, &line}, func() error { got = append(got, line); return nil }); err != nil {
		w.Fatal(err)
	}
	slices.Sort(got)
	for i, user := range want {
		name, online, _ := strings.Cut(user, " ")
		want[i] = fmt.Sprintf(`presence_updated %s {"userId":"%s","isOnline":%t}`, name, name, online == "on")
	}
	slices.Sort(want)
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		w.Errorf("events (-want +got):\n%s", diff)
	}
}

const afterGrace = 16 * time.Second

func TestPresenceCountsUsersNotStreams(t *testing.T) {
	w := newPresenceTest(t)
	a, b := w.server(), w.server()
	a.Opened("ann")
	a.Opened("ann")
	a.Opened("bob")
	w.flush(a, 0)
	w.expectEvents("ann on", "bob on")
	b.Opened("ann")
	w.flush(b, 0)
	closed := time.Now()
	a.Closed("ann")
	a.Closed("ann")
	a.Closed("bob")
	w.flushAt(a, closed)
	w.flushAt(a, closed.Add(14*time.Second))
	w.expectEvents()
	w.flush(a, afterGrace) // ann has a stream at b
	w.expectEvents("bob off")
	b.Closed("ann")
	w.flush(b, afterGrace)
	w.expectEvents("ann off")
	w.flush(a, afterGrace)
	w.flush(b, afterGrace)
	if a.KnownUsers()+b.KnownUsers() > 0 {
		t.Errorf("%d and %d users remain in memory", a.KnownUsers(), b.KnownUsers())
	}
}

func TestPresenceDoesNotFlicker(t *testing.T) {
	w := newPresenceTest(t)
	a, b := w.server(), w.server()
	a.Opened("ann")
	w.flush(a, 0)
	w.expectEvents("ann on")
	for range 3 { // reloads
		closed := time.Now()
		a.Closed("ann")
		w.flushAt(a, closed.Add(5*time.Second))
		a.Opened("ann")
		w.flush(a, 10*time.Second)
	}
	closed := time.Now()
	a.Closed("ann") // and opens a stream at another server
	w.flushAt(a, closed.Add(3*time.Second))
	b.Opened("ann")
	w.flush(b, 3*time.Second)
	w.flush(a, afterGrace)
	w.expectEvents()
	a.Opened("eve") // opened and closed before anything was written
	a.Closed("eve")
	w.flush(a, 0)
	w.expectEvents("eve on")
	w.flush(a, afterGrace)
	w.expectEvents("eve off")
}

// TestPresenceExpiresADeadServer checks that a server without a heartbeat is expired by another one with
// the users who are online nowhere else, and that it adds its users again if it is alive.
func TestPresenceExpiresADeadServer(t *testing.T) {
	w := newPresenceTest(t)
	a, b := w.server(), w.server()
	for _, user := range []string{"ann", "bob"} {
		a.Opened(user)
	}
	b.Opened("bob")
	began := time.Now()
	w.flushAt(a, began)
	w.flushAt(b, began)
	w.expectEvents("ann on", "bob on")
	w.flushUntil(b, began, 10*time.Second, 30*time.Second)
	w.expectEvents()
	w.flushUntil(b, began, 40*time.Second, 40*time.Second)
	w.expectEvents("ann off")
	a.Opened("joe")
	a.Opened("bob")
	w.flush(a, 0)
	w.expectEvents("ann on", "joe on")
	var rows int
	if err := w.conn.QueryRow(t.Context(), `select count(*) from pgherald.presence`).Scan(&rows); err != nil || rows != 4 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

// TestPresenceHandsOverAtShutdown checks that the users of a server that stops keep their grace: those who
// open a stream elsewhere within it stay online without an event.
func TestPresenceHandsOverAtShutdown(t *testing.T) {
	w := newPresenceTest(t)
	a, b := w.server(), w.server()
	ctx, stop := context.WithCancel(t.Context())
	a.Opened("ann")
	a.Opened("bob")
	w.flush(a, 0)
	w.expectEvents("ann on", "bob on")
	stop()
	a.Run(ctx)
	b.Opened("ann")
	w.flushUntil(b, time.Now(), 0, 10*time.Second)
	w.expectEvents()
	var left float64
	const sql = `select extract(epoch from last_seen - clock_timestamp() + interval '35 seconds')::float8 from pgherald.replicas where id = $1`
	if err := w.conn.QueryRow(t.Context(), sql, a.ReplicaID()).Scan(&left); err != nil || left > 15 {
		t.Errorf("a server of an older version expires it in %v s, %v", left, err)
	}
	w.flush(b, afterGrace)
	w.expectEvents("bob off")
}

// TestPresenceBatchesWrites checks that 10,000 users who join, or leave, at once take one transaction.
func TestPresenceBatchesWrites(t *testing.T) {
	w := newPresenceTest(t)
	a := w.server()
	w.flush(a, 0)
	for i := range 10_000 {
		a.Opened(fmt.Sprint("user-", i))
	}
	w.flush(a, 0)
	for i := range 10_000 {
		a.Closed(fmt.Sprint("user-", i))
	}
	w.flush(a, afterGrace)
	var events, transactions int
	const sql = `select count(*), count(distinct xid::text) from pgherald.events`
	if err := w.conn.QueryRow(t.Context(), sql).Scan(&events, &transactions); err != nil || events != 20_000 || transactions != 2 {
		t.Errorf("%d events in %d transactions, %v", events, transactions, err)
	}
}

func TestPresenceSurvivesAnOutage(t *testing.T) {
	w := newPresenceTest(t)
	a := w.server()
	a.Opened("ann")
	a.Opened("bob")
	w.flush(a, 0)
	w.expectEvents("ann on", "bob on")
	down, cancel := context.WithCancel(t.Context())
	cancel()
	a.Closed("ann")
	a.Opened("eve")
	for range 3 {
		if a.Flush(down, time.Now().Add(afterGrace)) == nil {
			t.Fatal("wrote without a database")
		}
	}
	w.flush(a, afterGrace)
	w.expectEvents("ann off", "eve on")
}

func TestPresenceIgnoresUnstorableNames(t *testing.T) {
	w := newPresenceTest(t)
	a := w.server()
	for _, user := range []string{"", "a\x00b", "\xff", strings.Repeat("x", 1001)} {
		a.Opened(user)
		a.Closed(user)
	}
	long := strings.Repeat("語", 333)
	a.Opened(long)
	w.flush(a, 0)
	w.expectEvents(long + " on")
}

// TestPresenceOfConcurrentServers checks that the last event about each user is true when several servers
// write at the same time.
func TestPresenceOfConcurrentServers(t *testing.T) {
	w := newPresenceTest(t)
	const servers, users, rounds = 3, 6, 40
	var running sync.WaitGroup
	all := make([]*control.Presence, servers)
	open := make([]map[string]int, servers)
	for i := range servers {
		all[i], open[i] = w.server(), make(map[string]int)
		running.Go(func() {
			for range rounds {
				user := fmt.Sprint("user-", rand.IntN(users))
				if open[i][user] > 0 && rand.IntN(2) == 0 {
					all[i].Closed(user)
					open[i][user]--
				} else {
					all[i].Opened(user)
					open[i][user]++
				}
				if err := all[i].Flush(t.Context(), time.Now().Add(afterGrace)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	want := make(map[string]bool)
	for i := range servers {
		for user, streams := range open[i] {
			want[user] = want[user] || streams > 0
		}
	}
	rows, err := w.conn.Query(t.Context(), `
		select distinct on (key) key, (data ->> 'isOnline')::boolean
		from pgherald.events order by key, id desc`)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]bool)
	var user string
	var online bool
	if _, err := pgx.ForEachRow(rows, []any{&user, &online}, func() error { got[user] = online; return nil }); err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(want, func(user string, online bool) bool { _, logged := got[user]; return !online && !logged })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

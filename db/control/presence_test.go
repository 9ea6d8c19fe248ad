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

// ward is a database where users come and go at several servers.
type ward struct {
	*testing.T
	conn *pgx.Conn
	pool *pgxpool.Pool
	last int64 // the newest event that was looked at
}

func newWard(t *testing.T) *ward {
	t.Helper()
	url := pgtest.NewDatabase(t)
	pool, err := db.OpenLogPool(t.Context(), url, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return &ward{T: t, conn: pgtest.Connect(t, url), pool: pool}
}

func (w *ward) server() *control.Presence {
	return control.NewPresence(w.pool, control.PresenceOptions{})
}

// turn writes what the server has to write, as if it were later by the given time.
func (w *ward) turn(p *control.Presence, later time.Duration) {
	w.Helper()
	if err := p.Turn(w.Context(), time.Now().Add(later)); err != nil {
		w.Fatal(err)
	}
}

// hears compares what was written to the log since the last call, in any order.
func (w *ward) hears(want ...string) {
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

func TestPresenceIsOfUsersAndNotOfStreams(t *testing.T) {
	w := newWard(t)
	a, b := w.server(), w.server()
	a.Opened("ann")
	a.Opened("ann")
	a.Opened("bob")
	w.turn(a, 0)
	w.hears("ann on", "bob on")
	b.Opened("ann")
	w.turn(b, 0)
	a.Closed("ann")
	a.Closed("ann")
	a.Closed("bob")
	w.turn(a, 0)
	w.turn(a, 14*time.Second)
	w.hears()
	w.turn(a, afterGrace) // ann is still with b
	w.hears("bob off")
	b.Closed("ann")
	w.turn(b, afterGrace)
	w.hears("ann off")
	w.turn(a, afterGrace)
	w.turn(b, afterGrace)
	if a.Known()+b.Known() > 0 {
		t.Errorf("%d and %d users are remembered", a.Known(), b.Known())
	}
}

func TestPresenceDoesNotFlicker(t *testing.T) {
	w := newWard(t)
	a, b := w.server(), w.server()
	a.Opened("ann")
	w.turn(a, 0)
	w.hears("ann on")
	for range 3 { // reloads
		a.Closed("ann")
		w.turn(a, 5*time.Second)
		a.Opened("ann")
		w.turn(a, 10*time.Second)
	}
	a.Closed("ann") // and goes on at another server
	w.turn(a, 3*time.Second)
	b.Opened("ann")
	w.turn(b, 3*time.Second)
	w.turn(a, afterGrace)
	w.hears()
	a.Opened("eve") // came and went before anything was written
	a.Closed("eve")
	w.turn(a, 0)
	w.hears("eve on")
	w.turn(a, afterGrace)
	w.hears("eve off")
}

// A server that gives no sign of life is buried by any other, and its users are gone unless they are
// elsewhere. If it lives after all, it says so again.
func TestPresenceOfAServerThatWasKilled(t *testing.T) {
	w := newWard(t)
	a, b := w.server(), w.server()
	for _, user := range []string{"ann", "bob"} {
		a.Opened(user)
	}
	b.Opened("bob")
	w.turn(a, 0)
	w.turn(b, 0)
	w.hears("ann on", "bob on")
	pgtest.Exec(t, w.conn, `update pgherald.replicas set last_seen = last_seen - interval '30 seconds' where id = $1`, a.Replica())
	w.turn(b, 0)
	w.hears()
	pgtest.Exec(t, w.conn, `update pgherald.replicas set last_seen = last_seen - interval '6 seconds' where id = $1`, a.Replica())
	w.turn(b, 0)
	w.hears("ann off")
	a.Opened("joe")
	a.Opened("bob")
	w.turn(a, 0)
	w.hears("ann on", "joe on")
	var rows int
	if err := w.conn.QueryRow(t.Context(), `select count(*) from pgherald.presence`).Scan(&rows); err != nil || rows != 4 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

// A server that stops leaves its users their grace: who comes to another one in time never was away.
func TestPresenceOfAServerThatStops(t *testing.T) {
	w := newWard(t)
	a, b := w.server(), w.server()
	ctx, stop := context.WithCancel(t.Context())
	a.Opened("ann")
	a.Opened("bob")
	w.turn(a, 0)
	w.hears("ann on", "bob on")
	stop()
	a.Run(ctx)
	b.Opened("ann")
	w.turn(b, 0)
	w.hears()
	var left float64
	const sql = `select extract(epoch from last_seen - clock_timestamp() + interval '35 seconds')::float8 from pgherald.replicas where id = $1`
	if err := w.conn.QueryRow(t.Context(), sql, a.Replica()).Scan(&left); err != nil || left < 1 || left > 15 {
		t.Errorf("%v seconds are left of the grace, %v", left, err)
	}
	pgtest.Exec(t, w.conn, `update pgherald.replicas set last_seen = last_seen - interval '15 seconds' where id = $1`, a.Replica())
	w.turn(b, 0)
	w.hears("bob off")
}

// Ten thousand who come at once are one transaction, and so are ten thousand who leave.
func TestPresenceOfManyIsOneWrite(t *testing.T) {
	w := newWard(t)
	a := w.server()
	w.turn(a, 0)
	for i := range 10_000 {
		a.Opened(fmt.Sprint("user-", i))
	}
	w.turn(a, 0)
	for i := range 10_000 {
		a.Closed(fmt.Sprint("user-", i))
	}
	w.turn(a, afterGrace)
	var events, transactions int
	const sql = `select count(*), count(distinct xid::text) from pgherald.events`
	if err := w.conn.QueryRow(t.Context(), sql).Scan(&events, &transactions); err != nil || events != 20_000 || transactions != 2 {
		t.Errorf("%d events in %d transactions, %v", events, transactions, err)
	}
}

func TestPresenceOutlastsAnOutage(t *testing.T) {
	w := newWard(t)
	a := w.server()
	a.Opened("ann")
	a.Opened("bob")
	w.turn(a, 0)
	w.hears("ann on", "bob on")
	down, cancel := context.WithCancel(t.Context())
	cancel()
	a.Closed("ann")
	a.Opened("eve")
	for range 3 {
		if a.Turn(down, time.Now().Add(afterGrace)) == nil {
			t.Fatal("wrote without a database")
		}
	}
	w.turn(a, afterGrace)
	w.hears("ann off", "eve on")
}

func TestPresenceOfNobody(t *testing.T) {
	w := newWard(t)
	a := w.server()
	for _, user := range []string{"", "a\x00b", "\xff", strings.Repeat("x", 1001)} {
		a.Opened(user)
		a.Closed(user)
	}
	long := strings.Repeat("語", 333)
	a.Opened(long)
	w.turn(a, 0)
	w.hears(long + " on")
}

// Servers that write at the same time never leave somebody online who is not, or the other way
// round: what was said last of each user is the truth.
func TestPresenceOfServersThatWriteAtTheSameTime(t *testing.T) {
	w := newWard(t)
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
				if err := all[i].Turn(t.Context(), time.Now().Add(afterGrace)); err != nil {
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
	maps.DeleteFunc(want, func(user string, online bool) bool { _, said := got[user]; return !online && !said })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

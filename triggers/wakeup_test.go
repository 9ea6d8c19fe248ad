package triggers_test

import (
	"regexp"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
)

// announced runs statements and returns the payloads of their wake-ups.
func (b *testBed) announced(sql ...string) []string {
	b.t.Helper()
	// As a server's listener does: without one, writers send nothing. A session does not exclude itself.
	pgtest.Exec(b.t, pgtest.Connect(b.t, b.url), `select pg_advisory_lock_shared($1)`, triggers.ListenerLock)
	b.exec(`listen pgherald`)
	for _, one := range sql {
		b.exec(one)
	}
	b.exec(`notify pgherald, 'end'`)
	var payloads []string
	for {
		n, err := b.conn.WaitForNotification(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		if n.Payload == "end" {
			return payloads
		}
		payloads = append(payloads, n.Payload)
	}
}

// A transaction that wrote events sends one wake-up, which carries no row.
func TestWakeUp(t *testing.T) {
	w := newWorkload(t)
	payloads := w.announced(
		`begin`, `update public.activities set location = repeat('x', 200)`,
		`update public.activities set location = 'y'`, `commit`)
	wakeUp := regexp.MustCompile(`^\{"table" : "public.activities", "op" : "update", "xid" : "\d+"\}$`)
	if len(payloads) != 1 || !wakeUp.MatchString(payloads[0]) {
		t.Errorf("wake-ups: %q", payloads)
	}
	if payloads = w.announced(`update public.activities set location = location`); len(payloads) > 0 {
		t.Errorf("a statement without changes sent wake-ups: %q", payloads)
	}
}

// PostgreSQL discards the wake-up of a savepoint that is rolled back. The transaction's later writes need another.
func TestWakeUpAfterARollbackToASavepoint(t *testing.T) {
	const (
		write = `insert into public.orders values (default)`
		block = `do $$ begin insert into public.orders values (default); raise 'no'; exception when others then end $$`
	)
	for name, c := range map[string]struct {
		statements []string
		want       int
	}{
		"rolled back":       {[]string{`begin`, `savepoint a`, write, `rollback to a`, `commit`}, 0},
		"and written again": {[]string{`begin`, `savepoint a`, write, `rollback to a`, write, write, `commit`}, 1},
		"released, then rolled back": {[]string{
			`begin`, `savepoint a`, `savepoint b`, write, `release b`, `rollback to a`, write, `commit`,
		}, 1},
		"rolled back twice": {[]string{
			`begin`, `savepoint a`, write, `rollback to a`, write, `rollback to a`, write, `commit`,
		}, 1},
		"written before":    {[]string{`begin`, write, `savepoint a`, write, `rollback to a`, write, `commit`}, 1},
		"an exception":      {[]string{`begin`, block, write, `commit`}, 1},
		"two transactions":  {[]string{write, write}, 2},
		"a foreign setting": {[]string{`set pgherald.announced = '1'`, write, write}, 2},
		"a reset":           {[]string{`begin`, write, `reset all`, write, `commit`}, 1},
	} {
		for kind, spec := range map[string]string{"default payload": "", "own payload": ", payload: { id: n.id + 0 }"} {
			t.Run(name+", "+kind, func(t *testing.T) {
				b := watch(t, `create table public.orders (id int primary key generated always as identity)`,
					`tables: [{ name: public.orders, on: { insert: created }`+spec+` }]`)
				if got := b.announced(c.statements...); len(got) != c.want {
					t.Errorf("wake-ups: %q, want %d", got, c.want)
				}
			})
		}
	}
}

package triggers_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
)

// A table that a transaction holds, such as one that loads it, keeps no other table waiting for its new columns.
func TestGrowLeavesOutTablesInUse(t *testing.T) {
	t.Parallel()
	b := openBare(t, `create table public.orders (id int primary key); create table public.items (id int primary key)`)
	spec := choose(t, "*")
	b.apply(spec)
	b.exec(`alter table public.orders add column level int; alter table public.items add column level int`)
	loading := pgtest.Connect(t, b.url)
	pgtest.Exec(t, loading, `begin; insert into public.orders values (1, 1)`)
	done, err := triggers.Grow(t.Context(), b.conn, spec, triggers.LockTimeout(time.Second))
	var busy *triggers.BusyError
	if !errors.As(err, &busy) || !strings.Contains(err.Error(), "public.orders") {
		t.Errorf("Grow returned %v, want that public.orders is in use", err)
	}
	if text := strings.Join(done, "; "); !strings.Contains(text, "public.items.row") || strings.Contains(text, "public.orders.row") {
		t.Errorf("changes %s, want those of items alone", text)
	}
	pgtest.Exec(t, loading, `commit`)
	if done, err := triggers.Grow(t.Context(), b.conn, spec); err != nil || !strings.Contains(strings.Join(done, "; "), "public.orders.row") {
		t.Errorf("afterwards: %v, %v", done, err)
	}
	if done, err := triggers.Grow(t.Context(), b.conn, spec); err != nil || len(done) > 0 {
		t.Errorf("again: %v, %v", done, err)
	}
}

// A dropped or renamed column leaves no function behind that fails for every write.
func TestMend(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ change, want string }{
		"dropped": {`alter table public.orders drop column place`, `{"id":2,"n.p\"l":null}`},
		"quoted":  {`alter table public.orders rename column "n.p""l" to "kind of"`, `{"id":2,"place":null,"kind of":null}`},
		"renamed": {`alter table public.orders rename column place to city`, `{"id":2,"city":null,"n.p\"l":null}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := openBare(t, `create table public.orders (id int primary key, place text, "n.p""l" text); create table public.items (id int primary key)`)
			spec := choose(t, "*")
			b.apply(spec)
			b.exec(`create or replace function pgherald."public.items.row"() returns trigger language plpgsql as 'begin return null; end'`)
			b.exec(test.change + `; insert into public.orders (id) values (1)`)
			if text := strings.Join(b.events(), "\n"); !strings.Contains(text, "42703") {
				t.Fatalf("events\n%s\nwant a reset because of the column", text)
			}
			done, err := triggers.Grow(t.Context(), b.conn, spec)
			if text := strings.Join(done, "; "); err != nil || !strings.Contains(text, "public.orders.row") || strings.Contains(text, "items") {
				t.Errorf("%s, %v, want a change of orders alone", text, err)
			}
			if done, err := triggers.Grow(t.Context(), b.conn, spec); err != nil || len(done) > 0 {
				t.Errorf("what nothing names was changed: %v, %v", done, err)
			}
			b.exec(`insert into public.orders (id) values (2)`)
			if text := strings.Join(b.events(), "\n"); !strings.Contains(text, test.want) || strings.Count(text, "collection_reset") != 1 {
				t.Errorf("events\n%s\nwant the reset of the repair, and %s", text, test.want)
			}
			if done, err := triggers.Grow(t.Context(), b.conn, spec, triggers.Mend([]string{"public.items", "public.none"})); err != nil || len(done) == 0 {
				t.Errorf("what is named was not changed: %v, %v", done, err)
			}
			if drift := b.inspectDrift(spec); len(drift) > 0 {
				t.Errorf("drift %v", drift)
			}
		})
	}
}

// inspectDrift returns the drift.
func (b *testBed) inspectDrift(spec triggers.Spec) []triggers.Drift {
	b.t.Helper()
	drift, err := triggers.Check(b.t.Context(), b.conn, spec)
	if err != nil {
		b.t.Fatal(err)
	}
	return drift
}

// The state changes with all that an apply, a growth, a script or a drop changes, and with nothing else: any role may say that
// there is a change.
func TestState(t *testing.T) {
	t.Parallel()
	b := openBare(t, `create table public.orders (id int primary key, place text, secret text)`)
	state := func(spec triggers.Spec) string {
		t.Helper()
		state, err := triggers.State(t.Context(), b.conn, spec)
		if err != nil {
			t.Fatal(err)
		}
		return state
	}
	spec := choose(t, "*")
	last := state(spec)
	changes := func(name string, want bool, do func()) {
		t.Helper()
		do()
		now := state(spec)
		if (now != last) != want {
			t.Errorf("%s: the state has changed: %v", name, now != last)
		}
		last = now
	}
	applies := func(text string) func() {
		return func() {
			t.Helper()
			parsed, err := triggers.Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			b.apply(parsed)
		}
	}
	changes("the first apply", true, func() { b.apply(spec) })
	changes("nothing", false, func() {})
	changes("writes", false, func() {
		b.exec(`insert into public.orders values (1, 'here', 'hush'); notify pgherald_control, 'spec'; analyze public.orders`)
	})
	changes("the same apply", false, func() { b.apply(spec) })
	changes("a growth", true, func() {
		b.exec(`alter table public.orders add column level int`)
		last = state(spec)
		if done, err := triggers.Grow(t.Context(), b.conn, spec); err != nil || len(done) == 0 {
			t.Fatalf("%v, %v", done, err)
		}
	})
	changes("a new state of filters alone", true, func() { b.exec(`update pgherald.filter_fields set since = '1' where field = 'place'`) })
	changes("a filter less", true, applies("version: 1\ntables: [{ name: public.orders, collection: orders, filter: [id, place, level] }]"))
	changes("a version alone", true, applies("version: 2\ntables: [{ name: public.orders, collection: orders, filter: [id, place, level] }]"))
	changes("a drop", true, func() {
		if _, err := triggers.DropAll(t.Context(), b.conn); err != nil {
			t.Fatal(err)
		}
	})
}

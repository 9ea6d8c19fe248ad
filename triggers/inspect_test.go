package triggers_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
)

const ordersReset = `collection_reset - {"table":"public.orders","reason":"triggers"}`

// inspect calls Inspect of the inspector of the spec, and returns the kinds of drift that it found.
func (b *testBed) inspect(spec string) []triggers.Kind {
	b.t.Helper()
	if b.inspectors[spec] == nil {
		b.inspectors[spec] = triggers.NewInspector(parse(b.t, spec))
	}
	found, err := b.inspectors[spec].Inspect(b.t.Context(), b.conn)
	if err != nil {
		b.t.Fatal(err)
	}
	var kinds []triggers.Kind
	for _, d := range found.Drift {
		if !slices.Contains(kinds, d.Kind) {
			kinds = append(kinds, d.Kind)
		}
	}
	return kinds
}

// Servers follow the labels of enums, by which clients filter.
func TestInspectSeesLabels(t *testing.T) {
	b := open(t, `create type public.mood as enum ('happy', 'sad'); create domain public.good as public.mood; create domain public.better as public.good;
		create table public.people (id int primary key, mood public.mood); create table public.others (id int primary key, mood public.good);
		create table public.nested (id int primary key, mood public.better);
		create type public.unused as enum ('a')`)
	for _, table := range []string{"people", "others", "nested"} {
		spec := parse(t, `tables: [ { name: public.`+table+` } ]`)
		b.apply(spec)
		inspector := triggers.NewInspector(spec)
		for _, step := range []struct {
			change string
			want   bool
		}{
			{`select`, true}, {`alter type public.unused add value if not exists 'b'`, false}, {`alter type public.mood add value '` + table + `'`, true},
			{`alter type public.mood rename value '` + table + `' to 'x` + table + `'`, true}, {`select`, false},
		} {
			b.exec(step.change)
			if found, err := inspector.Inspect(t.Context(), b.conn); err != nil || found.Checked != step.want {
				t.Errorf("%s: after %s, Checked is %v, %v", table, step.change, found.Checked, err)
			}
		}
	}
}

// Clients load the table again when its events begin to be missed, and when they no longer are.
func TestInspectLogsOneResetForEachChange(t *testing.T) {
	for name, c := range map[string]struct {
		harm, repair string
		kind         triggers.Kind
	}{
		"disabled":             {`alter table public.orders disable trigger user`, `alter table public.orders enable trigger user`, triggers.KindDisabled},
		"for replicas only":    {replicaOnly, `alter table public.orders enable trigger user`, triggers.KindDisabled},
		"renamed away":         {`alter table public.orders rename to orders_old`, `alter table public.orders_old rename to orders`, triggers.KindTable},
		"in another schema":    {`create schema old; alter table public.orders set schema old`, `alter table old.orders set schema public`, triggers.KindTable},
		"without key":          {`alter table public.orders drop constraint orders_pkey`, `alter table public.orders add primary key (id)`, triggers.KindTable},
		"swapped by renaming":  {swapOrders, `drop table public.orders; alter table public.orders_old rename to orders`, triggers.KindMissing},
		"swapped, old dropped": {swapOrders + `; drop table public.orders_old`, ``, triggers.KindMissing},
	} {
		t.Run(name, func(t *testing.T) {
			b := watch(t, orders, ordersSpec)
			if got := b.inspect(ordersSpec); got != nil {
				t.Errorf("found %v at the start", got)
			}
			b.wants()
			b.exec(c.harm)
			for range 2 {
				if got := b.inspect(ordersSpec); !slices.Contains(got, c.kind) {
					t.Errorf("found %v, want %v", got, c.kind)
				}
			}
			b.wants(ordersReset)
			if c.repair == "" {
				return
			}
			b.exec(c.repair)
			for range 2 {
				if got := b.inspect(ordersSpec); got != nil {
					t.Errorf("found %v after the repair", got)
				}
			}
			b.wants(ordersReset)
		})
	}
}

const replicaOnly = `
	do $$
	declare
		name text;
	begin
		for name in select tgname from pg_trigger where tgrelid = 'public.orders'::regclass loop
			execute format('alter table public.orders enable replica trigger %I', name);
		end loop;
	end
	$$`

const swapOrders = `
	create table public.orders_new (like public.orders including all);
	alter table public.orders rename to orders_old;
	alter table public.orders_new rename to orders`

// Servers that look at the same moment log one event.
func TestInspectAtManyServers(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	b.exec(`alter table public.orders disable trigger user`)
	all := func() {
		var running sync.WaitGroup
		for range 8 {
			conn := pgtest.Connect(t, b.url)
			running.Go(func() {
				if _, err := triggers.NewInspector(parse(t, ordersSpec)).Inspect(t.Context(), conn); err != nil {
					t.Error(err)
				}
			})
		}
		running.Wait()
	}
	all()
	b.wants(ordersReset)
	b.exec(`alter table public.orders enable trigger user`)
	all()
	b.wants(ordersReset)
}

// A mistake that loses no event tells clients nothing.
func TestInspectOfHarmlessDrift(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	b.exec(`alter table public.orders set unlogged; alter table public.orders enable row level security;
		grant execute on all functions in schema pgherald to public`)
	got := b.inspect(ordersSpec)
	if diff := cmp.Diff([]triggers.Kind{triggers.KindPrivilege, triggers.KindNoAudience, triggers.KindUnlogged}, got); diff != "" {
		t.Error(diff)
	}
	b.wants()
}

// A crash empties unlogged tables, ours too. Clients of the watched ones load them again once.
func TestInspectAfterACrash(t *testing.T) {
	const spec = ordersSpec + `
  - { name: public.carts, on: { insert: cart_created } }`
	b := watch(t, orders+`create unlogged table public.carts (id int primary key);`, spec)
	b.inspect(spec)
	b.wants()
	b.exec(`alter table pgherald.events set unlogged`)
	b.exec(`truncate pgherald.since_crash, public.carts`) // what a crash does; TestCrash has a real one
	b.inspect(spec)
	b.inspect(spec)
	b.wants(`collection_reset - {"table":"public.carts","reason":"crash"}`)
}

// countingConn counts what a connection sends.
type countingConn struct {
	net.Conn
	sent *int
}

func (c countingConn) Write(b []byte) (int, error) {
	*c.sent++
	return c.Conn.Write(b)
}

// While nothing changes, a check costs the same for any number of tables: every server makes one a minute.
func TestInspectReadsLittle(t *testing.T) {
	var ddl, spec strings.Builder
	spec.WriteString("tables:\n")
	for i := range 20 {
		fmt.Fprintf(&ddl, "create table public.t%d (id int primary key, owner text);", i)
		fmt.Fprintf(&spec, "  - { name: public.t%d, payload: { id: n.id, by: upper(n.owner) }, on: { insert: made, update: changed } }\n", i)
	}
	b := watch(t, ddl.String(), spec.String())
	sent := 0
	config, err := pgx.ParseConfig(b.url)
	if err != nil {
		t.Fatal(err)
	}
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return countingConn{conn, &sent}, err
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	inspector := triggers.NewInspector(parse(t, spec.String()))
	inspect := func() (drift, messages int) {
		before := sent
		found, err := inspector.Inspect(t.Context(), conn)
		if err != nil {
			t.Fatal(err)
		}
		return len(found.Drift), sent - before
	}
	_, first := inspect()
	inspect() // prepares the rest
	if drift, again := inspect(); again > 10 || first < 100 || drift > 0 {
		t.Errorf("the first check sent %d messages, and a later one %d and found %d differences", first, again, drift)
	}
	b.exec(`alter table public.t7 rename column owner to author`)
	if drift, messages := inspect(); drift != 1 {
		t.Errorf("after a change, a check sent %d messages and found %d differences", messages, drift)
	}
	b.exec(`analyze`)
	b.exec(`vacuum public.t3`)
	if _, again := inspect(); again > 10 {
		t.Errorf("after ANALYZE and VACUUM, a check sent %d messages", again)
	}
}

// A server whose spec waits for its apply, or is older than the installed one, does not judge what is installed: the
// others do.
func TestInspectWithAnotherStateOfTheSpec(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	newer := strings.Replace(ordersSpec, "status: n.status", "state: n.status", 1)
	if got := b.inspect(newer); !slices.Equal(got, []triggers.Kind{triggers.KindDiffers}) {
		t.Errorf("before its apply, the newer state finds %v", got)
	}
	b.wants()
	b.apply(parse(t, newer))
	b.wants() // nothing was missed
	if got := b.inspect(ordersSpec); !slices.Equal(got, []triggers.Kind{triggers.KindSuperseded}) {
		t.Errorf("after it, the older state finds %v", got)
	}
	b.wants()
	b.exec(`alter table public.orders disable trigger user`)
	b.inspect(ordersSpec)
	b.wants()
	b.inspect(newer)
	b.wants(ordersReset)
	b.inspect(ordersSpec)
	b.wants()
}

// A new state of the spec is applied while the triggers do not fire. No server has noticed.
func TestApplyOfANewStateThatRepairs(t *testing.T) {
	for name, harm := range map[string]string{
		"disabled": `alter table public.orders disable trigger user`,
		"dropped":  `drop trigger "00_pgherald" on public.orders`,
	} {
		t.Run(name, func(t *testing.T) {
			b := watch(t, orders, ordersSpec)
			b.exec(harm)
			b.apply(parse(t, strings.Replace(ordersSpec, "status: n.status", "state: n.status", 1)))
			b.wants(ordersReset)
		})
	}
}

// Between a drop and the next apply, events are missed.
func TestApplyAfterDrop(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	if _, err := triggers.Drop(t.Context(), b.conn, parse(t, ordersSpec)); err != nil {
		t.Fatal(err)
	}
	b.wants()
	b.apply(parse(t, ordersSpec))
	b.wants(ordersReset)
	b.apply(parse(t, ordersSpec))
	b.inspect(ordersSpec)
	b.wants()
}

// A server of one spec notices a crash that has emptied a table of another one.
func TestInspectAfterACrashThatConcernsAnotherSpec(t *testing.T) {
	b := watch(t, orders+`create unlogged table public.carts (id int primary key);`, ordersSpec)
	b.apply(parse(t, `
name: shop
tables: [{ name: public.carts, on: { insert: cart_created } }]`))
	b.exec(`truncate pgherald.since_crash, public.carts`)
	b.inspect(ordersSpec)
	b.wants(`collection_reset - {"table":"public.carts","reason":"crash"}`)
}

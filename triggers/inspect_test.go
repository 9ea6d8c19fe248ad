package triggers_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
)

const ordersReset = `collection_reset - {"table":"public.orders","reason":"triggers"}`

// inspect calls Inspect and returns the kinds of drift that it found.
func (b *testBed) inspect(spec string) []triggers.Kind {
	b.t.Helper()
	found, err := triggers.Inspect(b.t.Context(), b.conn, parse(b.t, spec))
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

// Clients are told to load the table again when its events begin to be missed, and when they no longer are.
func TestInspectTellsClientsOnceOfEachChange(t *testing.T) {
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
				if _, err := triggers.Inspect(t.Context(), conn, parse(t, ordersSpec)); err != nil {
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

// A crash empties unlogged tables, ours too. Clients of the watched ones are told once, and only of these.
func TestInspectAfterACrash(t *testing.T) {
	const spec = ordersSpec + `
  - { name: public.carts, on: { insert: cart_created } }`
	b := watch(t, orders+`create unlogged table public.carts (id int primary key);`, spec)
	b.inspect(spec)
	b.wants()
	b.exec(`truncate pgherald.since_crash, public.carts`) // what a crash does; TestCrash has a real one
	b.inspect(spec)
	b.inspect(spec)
	b.wants(`collection_reset - {"table":"public.carts","reason":"crash"}`)
}

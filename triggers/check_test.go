package triggers_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
)

// Check reports every kind of difference between the spec and the database, and Apply removes it.
func TestCheckFindsEveryKindOfDrift(t *testing.T) {
	for name, c := range map[string]struct {
		change string
		want   []string
	}{
		"nothing": {``, nil},
		"missing trigger": {
			`drop trigger "00_pgherald" on public.orders`,
			[]string{`trigger "00_pgherald" on public.orders is missing`},
		},
		"disabled trigger": {
			`alter table public.orders disable trigger "00_pgherald"`,
			[]string{`trigger "00_pgherald" on public.orders is disabled`},
		},
		"trigger for replicas only": {
			`alter table public.orders enable replica trigger "00_pgherald"`,
			[]string{`trigger "00_pgherald" on public.orders is disabled`},
		},
		"trigger that always fires": {`alter table public.orders enable always trigger "00_pgherald"`, nil},
		"trigger of another kind": {
			`drop trigger pgherald_truncate on public.orders;
			create trigger pgherald_truncate before truncate on public.orders
			execute function pgherald."public.orders.truncate"()`,
			[]string{`trigger pgherald_truncate on public.orders differs from the spec`},
		},
		"trigger with a condition": {
			`drop trigger "00_pgherald" on public.orders;
			create trigger "00_pgherald" after insert or update or delete on public.orders
			for each row when (1 = 2) execute function pgherald."public.orders.row"()`,
			[]string{`trigger "00_pgherald" on public.orders differs from the spec`},
		},
		"trigger on fewer columns": {
			`drop trigger "00_pgherald" on public.orders;
			create trigger "00_pgherald" after insert or update of status or delete on public.orders
			for each row execute function pgherald."public.orders.row"()`,
			[]string{`trigger "00_pgherald" on public.orders differs from the spec`},
		},
		"deferred trigger": {
			`drop trigger "00_pgherald" on public.orders;
			create constraint trigger "00_pgherald" after insert or update or delete on public.orders
			deferrable initially deferred for each row execute function pgherald."public.orders.row"()`,
			[]string{`trigger "00_pgherald" on public.orders differs from the spec`},
		},
		"trigger for fewer operations": {
			`drop trigger "00_pgherald" on public.orders;
			create trigger "00_pgherald" after insert or update on public.orders
			for each row execute function pgherald."public.orders.row"()`,
			[]string{`trigger "00_pgherald" on public.orders differs from the spec`},
		},
		"trigger for each statement": {
			`drop trigger "00_pgherald" on public.orders;
			create trigger "00_pgherald" after insert or update or delete on public.orders
			for each statement execute function pgherald."public.orders.row"()`,
			[]string{`trigger "00_pgherald" on public.orders differs from the spec`},
		},
		"trigger with the wrong function": {
			`drop trigger "00_pgherald" on public.orders;
			create trigger "00_pgherald" after insert or update or delete on public.orders
			for each row execute function pgherald."public.orders.truncate"()`,
			[]string{`trigger "00_pgherald" on public.orders differs from the spec`},
		},
		"extra trigger": {
			`create trigger "One More" after insert on public.orders
			execute function pgherald."public.orders.row"()`,
			[]string{`trigger "One More" on public.orders is not in the spec`},
		},
		"missing function": {
			`drop function pgherald."public.orders.row" cascade`,
			[]string{
				`function pgherald."public.orders.row" is missing`,
				`trigger "00_pgherald" on public.orders is missing`,
			},
		},
		"extra function": {
			`create function pgherald.extra() returns trigger language plpgsql as 'begin return null; end';
			revoke execute on function pgherald.extra from public;
			insert into pgherald.trigger_functions values ('extra', 'default', 'public', 'extra')`,
			[]string{`function pgherald.extra is not in the spec`},
		},
		"another body": {
			`create or replace function pgherald."public.orders.row"() returns trigger language plpgsql
			security definer set search_path = pg_catalog, pg_temp as 'begin return null; end'`,
			[]string{`function pgherald."public.orders.row" differs from the spec`},
		},
		"not security definer": {
			`alter function pgherald."public.orders.row"() security invoker`,
			[]string{`function pgherald."public.orders.row" differs from the spec`},
		},
		"another search path": {
			`alter function pgherald."public.orders.row"() set search_path = public`,
			[]string{`function pgherald."public.orders.row" differs from the spec`},
		},
		"extra setting": {
			`alter function pgherald."public.orders.row"() set work_mem = '1MB'`,
			[]string{`function pgherald."public.orders.row" differs from the spec`},
		},
		"function executable by every role": {
			`grant execute on function pgherald."public.orders.row"() to public`,
			[]string{`function pgherald."public.orders.row" may be executed by every role`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := watch(t, orders, ordersSpec)
			if c.change != "" {
				b.exec(c.change)
			}
			b.drifts(ordersSpec, c.want...)
			changes := slices.DeleteFunc(b.apply(parse(t, ordersSpec)), func(c string) bool {
				return strings.HasPrefix(c, "tell ") || strings.HasPrefix(c, "record ")
			})
			if len(changes) != len(c.want) {
				t.Errorf("apply made the changes %q for the drift %q", changes, c.want)
			}
			b.drifts(ordersSpec)
		})
	}
}

func TestCheckFindsAnOwnerWithoutRights(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	owner := b.role("owner")
	b.exec(`grant create, usage on schema pgherald to ` + owner)
	b.exec(`alter function pgherald."public.orders.row"() owner to ` + owner)
	contains(t, b.fails(`insert into public.orders values (1)`), "permission denied")
	b.drifts(ordersSpec, `function pgherald."public.orders.row" belongs to `+strings.Trim(owner, `"`)+`, with whose rights it may run code of the table's owner`)
	b.withoutWriter()
	b.drifts(ordersSpec, `the owner of function pgherald."public.orders.row" may not write to pgherald.events`,
		`function pgherald."public.orders.truncate" differs from the spec`, // it checked as whom it runs
		`the owner of function pgherald."public.orders.truncate" may not write to pgherald.events`)
	b.apply(parse(t, ordersSpec))
	b.drifts(ordersSpec)
	b.events() // that the clients load the table again
	b.gives(`insert into public.orders values (1)`, `order_created 1 {"id":1,"status":null,"was":null}`)
}

// PostgreSQL drops a column although a function body names it. Every later write fails or loses its events, so
// this drift matters most.
func TestCheckFindsADroppedColumn(t *testing.T) {
	for mode, effect := range map[string]string{"reset": "writes may give a collection_reset instead of events, one in 10 s for all of them; ", "abort": "writes may fail; "} {
		t.Run(mode, func(t *testing.T) {
			spec := "on_error: " + mode + "\n" + ordersSpec
			b := watch(t, orders, spec)
			b.exec(`alter table public.orders drop column status`)
			drifts, err := triggers.Check(t.Context(), b.conn, parse(t, spec))
			if err != nil {
				t.Fatal(err)
			}
			if len(drifts) == 0 {
				t.Fatal("no drift found")
			}
			contains(t, drifts[0].String(),
				`table public.orders, on insert order_created, payload field "status": column n.status does not exist`,
				effect, "`pgherald apply`")
		})
	}
}

func TestCheckOfADroppedTable(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	b.exec(`drop table public.orders`)
	b.drifts(ordersSpec, "table public.orders: it does not exist")
	changes, err := triggers.Drop(t.Context(), b.conn, parse(t, ordersSpec))
	if err != nil || len(changes) != 3 {
		t.Errorf("drop made the changes %q, %v, want the drop of 2 functions and the end of the spec", changes, err)
	}
}

// A table that cannot be watched hides nothing of the others, and what it has of ours is not called extra.
func TestCheckOfOneBadTable(t *testing.T) {
	for name, c := range map[string]struct {
		change string
		want   []string
	}{
		"dropped":     {`drop table public.logs`, []string{"table public.logs: it does not exist"}},
		"without key": {`alter table public.logs drop constraint logs_pkey`, []string{"table public.logs: it has no primary key (or a deferrable one): add one, name the columns of another unique index under key, or watch inserts only"}},
		"renamed": {`alter table public.logs rename to logs_old`, []string{
			"table public.logs: it does not exist",
			`trigger "00_pgherald" on public.logs_old is not in the spec: it logs writes to public.logs_old as those to public.logs`,
			"trigger pgherald_truncate on public.logs_old is not in the spec: it logs writes to public.logs_old as those to public.logs",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			spec := ordersSpec + `
  - { name: public.logs, on: { insert: logged, update: relogged, delete: unlogged } }`
			b := watch(t, orders+`create table public.logs (id int primary key);`, spec)
			b.exec(c.change)
			b.exec(`drop trigger "00_pgherald" on public.orders`)
			b.drifts(spec, append([]string{`trigger "00_pgherald" on public.orders is missing`}, c.want...)...)
		})
	}
}

// A server that installs nothing may have a role without rights on the watched tables, and on their schema.
func TestCheckNeedsNoRightOnTheTables(t *testing.T) {
	const spec = `
tables:
  - name: shop.orders
    join: shop.clients as c on c.id = n.client
    payload: { id: n.id, client: c.name }
    on: { insert: order_created, update: order_updated, delete: order_deleted }
`
	const ddl = `
		create schema shop;
		create table shop.clients (id int primary key, name text);
		create table shop.orders (id int primary key, client int);`
	b := watch(t, ddl, spec)
	guest := b.role("guest")
	b.exec(`grant usage on schema pgherald to ` + guest + `; grant select on pgherald.specs, pgherald.trigger_functions to ` + guest)
	b.become(guest)
	b.drifts(spec)
	b.exec(`reset session authorization; alter table shop.orders disable trigger all`)
	b.become(guest)
	if got := b.check(spec); len(got) == 0 {
		t.Error("a role without rights on the tables finds no disabled trigger")
	}
}

// A lock on a table delays Check no longer than its lock_timeout, and is no drift.
func TestCheckDoesNotWaitForLocks(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	other := pgtest.Connect(t, b.url)
	pgtest.Exec(t, other, `begin; lock table public.orders in access exclusive mode`)
	b.drifts(ordersSpec)
	pgtest.Exec(t, other, `rollback`)
}

// With the database's default session_replication_role = replica, no trigger of ours fires.
func TestCheckFindsASilencedDatabase(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	database := b.one(`select quote_ident(current_database())`)
	b.exec(`alter database ` + database + ` set session_replication_role = replica`)
	b.conn = pgtest.Connect(t, b.url)
	b.gives(`insert into public.orders values (1)`)
	b.drifts(ordersSpec, "triggers on public.orders do not fire: session_replication_role is replica in every session of the database")
	b.exec(`alter database ` + database + ` reset session_replication_role`)
	b.conn = pgtest.Connect(t, b.url)
	b.drifts(ordersSpec)
}

func TestCheckOfTheLog(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	b.exec(`alter table pgherald.events enable row level security, set unlogged`)
	b.drifts(ordersSpec, "the log pgherald.events has row-level security: servers may miss events",
		"the log pgherald.events is unlogged: a crash of PostgreSQL empties it, and clients resume across the gap")
}

// pg_restore --disable-triggers leaves the log's own triggers in another state.
func TestCheckOfTheLogsTriggers(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	b.exec(`alter table pgherald.events disable trigger all; alter table pgherald.events enable trigger all`)
	drifts := b.check(ordersSpec)
	if len(drifts) != 2 {
		t.Fatalf("got %v", drifts)
	}
	for _, d := range drifts {
		b.exec(strings.Trim(strings.TrimPrefix(d.Remedy, "run "), "`"))
	}
	b.drifts(ordersSpec)
}

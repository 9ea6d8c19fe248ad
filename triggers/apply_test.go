package triggers_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
)

func TestApplyTwiceChangesNothing(t *testing.T) {
	b := open(t, orders)
	spec := parse(t, ordersSpec)
	want := triggers.Changes{
		`create function pgherald."public.orders.row"`, `create function pgherald."public.orders.truncate"`,
		`create trigger "00_pgherald" on public.orders`, `create trigger pgherald_truncate on public.orders`,
		"record the functions of spec default", "record spec default",
	}
	if diff := cmp.Diff(want, b.apply(spec)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	// The second apply requests no lock: the open transaction of a writer does not delay it.
	writer := pgtest.Connect(t, b.url)
	pgtest.Exec(t, writer, `begin; insert into public.orders values (1)`)
	again, err := triggers.Apply(t.Context(), b.conn, spec, triggers.LockTimeout(time.Millisecond))
	if err != nil || len(again) > 0 {
		t.Errorf("the second apply: %v, %v", again, err)
	}
}

// A writer locks the tables in another order than Apply. Apply gives way before PostgreSQL finds a deadlock.
func TestApplyGivesWayToAWriter(t *testing.T) {
	b := open(t, `create table public.a (id int primary key); create table public.b (id int primary key)`)
	spec := parse(t, "tables: [{name: public.a, on: {insert: a_created}}, {name: public.b, on: {insert: b_created}}]")
	writer := pgtest.Connect(t, b.url)
	pgtest.Exec(t, writer, `begin; insert into public.b values (1)`)
	option, seen := waits()
	applied := make(chan error, 1)
	go func() {
		_, err := triggers.Apply(context.Background(), b.conn, spec, option)
		applied <- err
	}()
	<-seen
	pgtest.Exec(t, writer, `insert into public.a values (1); commit`)
	if err := <-applied; err != nil {
		t.Error(err)
	}
}

func TestApplyIsDeclarative(t *testing.T) {
	b := watch(t, orders+`
		create table public.items (id int primary key);
		create function public.mine() returns trigger language plpgsql as 'begin return null; end';
		create trigger mine after insert on public.orders for each statement execute function public.mine()`,
		ordersSpec)
	changes := b.apply(parse(t, `tables: [{ name: public.items, on: { insert: item_created } }]`))
	want := triggers.Changes{
		`create function pgherald."public.items.row"`,
		`drop trigger "00_pgherald" on public.orders`, `drop trigger pgherald_truncate on public.orders`,
		`create trigger "00_pgherald" on public.items`,
		`drop function pgherald."public.orders.row"`, `drop function pgherald."public.orders.truncate"`,
		"record the functions of spec default", "record spec default",
	}
	if diff := cmp.Diff(want, changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	b.gives(`insert into public.orders values (1)`, `collection_reset - {"table":"public.orders","reason":"spec"}`)
	b.gives(`insert into public.items values (1)`, `item_created 1 {"id":1}`)
	if got := b.one(`select count(*) from pg_trigger where tgname = 'mine'`); got != "1" {
		t.Error("apply removed a trigger of the application")
	}
}

func TestApplyReplacesAFunctionWithoutALock(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	writer := pgtest.Connect(t, b.url)
	pgtest.Exec(t, writer, `begin; insert into public.orders values (1)`)
	spec := parse(t, `
tables:
  - name: public.orders
    on: { insert: renamed, update: order_updated, delete: order_deleted }
    payload: { id: n.id, status: n.status, was: o.status }
`)
	changes, err := triggers.Apply(t.Context(), b.conn, spec, triggers.LockTimeout(time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	want := triggers.Changes{
		`replace function pgherald."public.orders.row"`, "record spec default",
	}
	if diff := cmp.Diff(want, changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestConcurrentApplies(t *testing.T) {
	b := open(t, orders)
	spec := parse(t, ordersSpec)
	var group sync.WaitGroup
	made := make([]int, 4)
	for i := range made {
		conn := pgtest.Connect(t, b.url)
		group.Go(func() {
			changes, err := triggers.Apply(t.Context(), conn, spec)
			if err != nil {
				t.Error(err)
			}
			made[i] = len(changes)
		})
	}
	group.Wait()
	total := 0
	for _, n := range made {
		total += n
	}
	if total != 6 {
		t.Errorf("changes of the four applies: %v, want all 6 by one of them", made)
	}
	b.drifts(ordersSpec)
}

func TestApplyLimitsItsWaitForAnotherApply(t *testing.T) {
	b := open(t, orders)
	other := pgtest.Connect(t, b.url)
	pgtest.Exec(t, other, `set application_name = 'another apply'; begin; lock table pgherald.locks in share update exclusive mode`)
	_, err := triggers.Apply(t.Context(), b.conn, parse(t, ordersSpec), triggers.LockTimeout(10*time.Millisecond))
	if err == nil {
		t.Fatal("apply ran while another session held its lock")
	}
	contains(t, err.Error(), "wait for another process that is changing triggers", "another apply")
}

func TestDrop(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	b.exec(`insert into public.orders values (1, 'logged')`)
	changes, err := triggers.DropAll(t.Context(), b.conn)
	if err != nil || len(changes) != 5 {
		t.Errorf("drop: %v, %v", changes, err)
	}
	b.exec(`insert into public.orders values (2, 'not logged')`)
	b.wants(`order_created 1 {"id":1,"status":"logged","was":null}`)
	if changes, err := triggers.DropAll(t.Context(), b.conn); err != nil || len(changes) != 0 {
		t.Errorf("drop again: %v, %v", changes, err)
	}
}

func TestWithoutTheLog(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.EmptyDatabase(t))
	pgtest.Exec(t, conn, orders)
	spec := parse(t, ordersSpec)
	_, err := triggers.Apply(t.Context(), conn, spec)
	if err == nil {
		t.Fatal("apply succeeded without a log")
	}
	contains(t, err.Error(), "run `pgherald migrate up` first")
	if _, err := triggers.Check(t.Context(), conn, spec); err == nil {
		t.Error("check succeeded without a log")
	}
	if changes, err := triggers.DropAll(t.Context(), conn); err != nil || len(changes) > 0 {
		t.Errorf("drop: %v, %v", changes, err)
	}
	if list, err := triggers.List(t.Context(), conn); err != nil || len(list) > 0 {
		t.Errorf("list: %v, %v", list, err)
	}
	if _, err := triggers.SQL(t.Context(), conn, spec); err == nil {
		t.Error("SQL succeeded without a log")
	}
}

package triggers_test

import (
	"regexp"
	"strings"
	"testing"
)

// plpgsql caches the plan of the first execution, which may have had one row. These tests check that a plan
// made for one row is also good for 100,000, and vice versa.

// explained returns the plan of the last insert in a trigger function, for the rows of the given write. It
// runs EXPLAIN inside a trigger, where the real transition tables exist.
func (b *testBed) explained(function, event, write string) string {
	b.t.Helper()
	source := b.one(`select prosrc from pg_proc where pronamespace = 'pgherald'::regnamespace and proname = $1`, function)
	found := regexp.MustCompile(`(?s).*(insert into pgherald\.events.*?);\n\s+get diagnostics`).FindStringSubmatch(source)
	if found == nil {
		b.t.Fatalf("find the statement in:\n%s", source)
	}
	tables := map[string]string{
		"insert": "new table as new_rows", "delete": "old table as old_rows",
		"update": "new table as new_rows old table as old_rows",
	}[event]
	b.exec(`
		create table public.plans (line text);
		create function public.explain_it() returns trigger language plpgsql as $f$
		declare line text;
		begin
			for line in execute 'explain (costs off) ' || $s$` + found[1] + `$s$ loop
				insert into public.plans values (line);
			end loop;
			return null;
		end $f$;
		create trigger explain_it after ` + event + ` on public.orders referencing ` + tables + `
		for each statement execute function public.explain_it();`)
	b.exec(write)
	plan := b.one(`select string_agg(line, E'\n') from public.plans`)
	b.exec(`drop function public.explain_it cascade; drop table public.plans`)
	return plan
}

// A strict condition or join outside the lateral subquery would let the planner reduce the full join.
func TestUpdateIsNeverANestedLoop(t *testing.T) {
	for name, events := range map[string]string{
		"one event":        `{ update: updated }`,
		"strict condition": `{ update: { type: updated, when: n.total > o.total and n.id = o.id } }`,
		"strict payload":   `{ update: { type: updated, payload: { x: n.id + o.id } } }`,
		"all events":       `{ insert: created, update: updated, delete: deleted }`,
		"strict join":      "{ update: updated }\n    join: public.orders as p on p.id = n.id and p.id = o.id",
	} {
		t.Run(name, func(t *testing.T) {
			b := watch(t, orders, "tables:\n  - name: public.orders\n    on: "+events)
			b.exec(`insert into public.orders values (1, 'a')`)
			plan := b.explained("public.orders.update", "update", `update public.orders set status = 'b'`)
			if !strings.Contains(plan, "Full Join") {
				t.Errorf("no full join in the plan:\n%s", plan)
			}
		})
	}
}

func TestOneRowFirstThenMany(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	b.exec(`insert into public.orders select generate_series(1, 100000)`)
	for range 7 { // plpgsql switches to a generic plan after five
		b.exec(`update public.orders set total = coalesce(total, 0) + 1 where id = 5`)
	}
	b.exec(`update public.orders set status = 'bulk'`)
	got := b.one(`select count(distinct key) from pgherald.events where data ->> 'status' = 'bulk'`)
	if got != "100000" {
		t.Errorf("the log has %s rows of the bulk update, want 100000", got)
	}
}

// A plan made for many rows must look up a joined table by index. A sequential scan would read the whole
// table for every later write of one row.
func TestJoinsUseTheIndex(t *testing.T) {
	for name, spec := range map[string]string{
		"one event":  `{ insert: created }`,
		"two events": `{ insert: [created, noticed] }`,
	} {
		t.Run(name, func(t *testing.T) {
			b := watch(t, orders+`
				create table public.customers (id int primary key, name text);
				insert into public.customers select g, g from generate_series(1, 20000) as g;
				analyze public.customers`, `
tables:
  - name: public.orders
    join: public.customers as c on c.id = n.id
    payload: { name: c.name, again: (select d.name from public.customers as d where d.id = n.id) }
    on: `+spec)
			plan := b.explained("public.orders.insert", "insert",
				`insert into public.orders select generate_series(1, 20000)`)
			if strings.Contains(plan, "Seq Scan") || !strings.Contains(plan, "Index") {
				t.Errorf("customers are not looked up by index:\n%s", plan)
			}
		})
	}
}

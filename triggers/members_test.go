package triggers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/triggers"
)

// No trigger fires where rows come or go with a partition, or with a table that inherits. Servers and apply see it, and clients
// load the table again: once, however many look.
func TestPartitionsThatComeAndLeave(t *testing.T) {
	const reset = `collection_reset - {"table":"public.logs","reason":"triggers"}`
	tests := []struct {
		name string
		sql  string // after a row in each partition
		want int    // resets
		// alone says that servers alone and apply alone see it, too.
		alone bool
	}{
		{"dropped", `drop table public.logs_1`, 1, true},
		{"detached", `alter table public.logs detach partition public.logs_2`, 1, false},
		{"detached with partitions of its own", `alter table public.logs detach partition public.logs_34`, 1, false},
		{"attached with rows", `create table public.logs_5 (like public.logs including all); insert into public.logs_5 values (5, 5, 'e');
			alter table public.logs attach partition public.logs_5 for values in (5)`, 1, true},
		{"attached with partitions of its own", `create table public.logs_56 (like public.logs including all) partition by list (part);
			create table public.logs_6 partition of public.logs_56 for values in (6); insert into public.logs_56 values (6, 6, 'f');
			alter table public.logs attach partition public.logs_56 for values in (5, 6)`, 1, false},
		{"created empty", `create table public.logs_5 partition of public.logs for values in (5)`, 0, false},
		{"replaced by an empty one of the same name", `drop table public.logs_1; create table public.logs_1 partition of public.logs for values in (1)`, 1, true},
		{"swapped for one of the same name", `create table public.logs_x (like public.logs including all); insert into public.logs_x values (1, 1, 'x');
			begin; drop table public.logs_1; alter table public.logs_x rename to logs_1;
			alter table public.logs attach partition public.logs_1 for values in (1); commit`, 1, true},
		{"swapped", `begin; create table public.logs_x (like public.logs including all); insert into public.logs_x values (1, 1, 'x');
			alter table public.logs detach partition public.logs_1; alter table public.logs attach partition public.logs_x for values in (1); commit`, 1, false},
	}
	for _, tt := range tests {
		looks := []string{"servers and apply"}
		if tt.alone {
			looks = append(looks, "servers", "apply")
		}
		for _, looks := range looks {
			t.Run(tt.name+" "+looks, func(t *testing.T) {
				b := watch(t, logs, logsSpec)
				first, second := triggers.NewInspector(parse(t, logsSpec)), triggers.NewInspector(parse(t, logsSpec))
				b.exec(`insert into public.logs values (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'), (4, 4, 'd')`)
				b.looks(first, second)
				b.events()
				b.exec(tt.sql)
				if looks != "apply" {
					b.looks(first, second, triggers.NewInspector(parse(t, logsSpec)))
				}
				if looks != "servers" {
					b.apply(parse(t, logsSpec))
				}
				b.looks(first, second)
				var want []string
				for range tt.want {
					want = append(want, reset)
				}
				b.wants(want...)
			})
		}
	}
}

// looks lets servers check the triggers.
func (b *testBed) looks(servers ...*triggers.Inspector) {
	b.t.Helper()
	for _, s := range servers {
		if _, err := s.Inspect(b.t.Context(), b.conn); err != nil {
			b.t.Fatal(err)
		}
	}
}

// What clients know is kept between two applies, whatever a partition does in between, and an apply forgets what was kept.
func TestPartitionsThatComeAndLeaveAgain(t *testing.T) {
	b := watch(t, logs, logsSpec)
	server := triggers.NewInspector(parse(t, logsSpec))
	b.exec(`insert into public.logs values (1, 1, 'a')`)
	b.events()
	for i, step := range []struct {
		sql  string
		want int
	}{
		{`alter table public.logs detach partition public.logs_1`, 1},
		{`alter table public.logs attach partition public.logs_1 for values in (1)`, 1},
		{`alter table public.logs detach partition public.logs_1`, 1},
		{`create table public.logs_5 partition of public.logs for values in (5)`, 0},
		{`insert into public.logs values (5, 5, 'e')`, 0},
		{`drop table public.logs_5`, 1},
		{`drop table public.logs_1`, 0},
		{`create table public.logs_1 partition of public.logs for values in (1)`, 0},
		{`insert into public.logs values (1, 1, 'a')`, 0},
		{`drop table public.logs_1; create table public.logs_1 partition of public.logs for values in (1)`, 1},
		{`alter table public.logs add column more int`, 0},
	} {
		b.exec(step.sql)
		b.looks(server)
		got := slices.DeleteFunc(b.events(), func(event string) bool { return strings.HasPrefix(event, "created") })
		if len(got) != step.want {
			t.Errorf("step %d, %s: the events are %q, and not %d resets", i, step.sql, got, step.want)
		}
	}
	b.apply(parse(t, logsSpec))
	if diff := cmp.Diff("0", b.one(`select count(*)::text from pgherald.drift`)); diff != "" {
		t.Errorf("rows of pgherald.drift after the apply (-want +got):\n%s", diff)
	}
	b.wants()
	if changes := b.apply(parse(t, logsSpec)); len(changes) > 0 {
		t.Errorf("the second apply: %v", changes)
	}
}

// What is noted of a table is forgotten when it leaves the spec, and when it comes back: both are an apply.
func TestNotedPartitionsOfATableThatLeavesTheSpec(t *testing.T) {
	const others = `tables: [{ name: public.orders, on: { insert: created } }]`
	leaves := map[string]func(b *testBed){
		"another spec": func(b *testBed) { b.apply(parse(b.t, others)) },
		"dropped triggers": func(b *testBed) {
			if _, err := triggers.Drop(b.t.Context(), b.conn, parse(b.t, logsSpec)); err != nil {
				b.t.Fatal(err)
			}
		},
	}
	for name, leave := range leaves {
		t.Run(name, func(t *testing.T) {
			b := watch(t, logs+orders, logsSpec)
			server := triggers.NewInspector(parse(t, logsSpec))
			b.exec(`alter table public.logs detach partition public.logs_1`)
			b.looks(server)
			const noted = `select count(*)::text from pgherald.drift where table_name like '%:%'`
			if got := b.one(noted); got != "1" {
				t.Fatalf("%s partitions are noted", got)
			}
			leave(b)
			if got := b.one(noted); got != "0" {
				t.Errorf("%s partitions are noted of a table that left", got)
			}
			// A version before this one left them, and so does a table that is dropped.
			b.exec(`insert into pgherald.drift (table_name) values (E'public.logs\n:public.logs_1.truncate') on conflict do nothing`)
			if _, err := triggers.Apply(t.Context(), b.conn, parse(t, logsSpec), triggers.Force()); err != nil {
				t.Fatal(err)
			}
			b.events()
			b.looks(server, triggers.NewInspector(parse(t, logsSpec)))
			b.wants()
			if got := b.one(noted); got != "0" {
				t.Errorf("%s partitions are noted of a table that came back", got)
			}
		})
	}
}

// A table that leaves its parent takes its rows along, whatever the names of the two.
func TestChildrenThatLeave(t *testing.T) {
	const parent = "public.\"a\n:b\""
	spec := fmt.Sprintf("tables: [{ name: %q, on: { insert: created, delete: deleted } }]", parent)
	b := watch(t, "create table "+parent+" (id int primary key); create table public.child () inherits ("+parent+")", spec)
	server := triggers.NewInspector(parse(t, spec))
	b.looks(server)
	b.wants()
	b.exec("alter table public.child no inherit " + parent)
	b.looks(server, server)
	b.wants(`collection_reset - {"table":"public.U&\"a\\000A:b\"","reason":"triggers"}`)
}

package triggers_test

import (
	"testing"

	"github.com/pgherald/pgherald/triggers"
)

// The second partition is an attached table with another column order and a dropped column.
const (
	logs = `
		create table public.logs (id int, part int, text text, primary key (id, part)) partition by list (part);
		create table public.logs_1 partition of public.logs for values in (1);
		create table public.logs_2 (text text, gone int, part int not null, id int not null);
		alter table public.logs_2 drop column gone;
		alter table public.logs attach partition public.logs_2 for values in (2);
		create table public.logs_34 partition of public.logs for values in (3, 4) partition by list (part);
		create table public.logs_3 partition of public.logs_34 for values in (3);
		create table public.logs_4 partition of public.logs_34 for values in (4);`
	logsSpec = `
tables:
  - name: public.logs
    payload: { text: n.text, was: o.text }
    on: { insert: created, update: updated, delete: deleted }
`
)

func TestPartitions(t *testing.T) {
	b := watch(t, logs, logsSpec)
	b.exec(`insert into public.logs values (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')`)
	b.wantsAnyOrder(`created [1, 1] {"text":"a","was":null}`, `created [2, 2] {"text":"b","was":null}`,
		`created [3, 3] {"text":"c","was":null}`)
	// Writes that name a partition.
	b.gives(`insert into public.logs_2 values ('d', 2, 4)`, `created [4, 2] {"text":"d","was":null}`)
	b.gives(`insert into public.logs_34 values (5, 4, 'e')`, `created [5, 4] {"text":"e","was":null}`)
	b.gives(`update public.logs_2 set text = 'D' where id = 4`, `updated [4, 2] {"text":"D","was":"d"}`)
	b.gives(`delete from public.logs_4`, `deleted [5, 4] {"text":"e","was":"e"}`)
	b.exec(`update public.logs set text = text || '!'`)
	b.wantsAnyOrder(`updated [1, 1] {"text":"a!","was":"a"}`, `updated [2, 2] {"text":"b!","was":"b"}`,
		`updated [3, 3] {"text":"c!","was":"c"}`, `updated [4, 2] {"text":"D!","was":"D"}`)
	b.exec(`delete from public.logs where id < 3`)
	b.wantsAnyOrder(`deleted [1, 1] {"text":"a!","was":"a!"}`, `deleted [2, 2] {"text":"b!","was":"b!"}`)
}

// The key of a partitioned table includes the partition key. So a row that moves to another partition gets
// another key: one delete event and one insert event.
func TestRowMovesBetweenPartitions(t *testing.T) {
	b := watch(t, logs, logsSpec)
	b.exec(`insert into public.logs values (1, 1, 'a')`)
	b.events()
	b.exec(`update public.logs set part = 2`)
	b.wantsAnyOrder(`created [1, 2] {"text":"a","was":null}`, `deleted [1, 1] {"text":"a","was":"a"}`)
}

func TestTruncatePartitions(t *testing.T) {
	b := watch(t, logs, logsSpec)
	b.exec(`insert into public.logs values (1, 1), (3, 3)`)
	b.events()
	b.gives(`truncate public.logs`, `table_truncated - {"table":"public.logs"}`)
	b.gives(`truncate public.logs_1`, `table_truncated - {"table":"public.logs","partition":"public.logs_1"}`)
	// With another event in between, the second truncate of a transaction writes its own event.
	b.gives(`begin; truncate public.logs; insert into public.logs values (1, 1, 'x'); truncate public.logs_1; commit`,
		`table_truncated - {"table":"public.logs"}`,
		`created [1, 1] {"text":"x","was":null}`,
		`table_truncated - {"table":"public.logs","partition":"public.logs_1"}`)
}

func TestTruncatePartitionsAsDeletes(t *testing.T) {
	b := watch(t, logs, `
tables:
  - name: public.logs
    payload: { text: n.text }
    on: { delete: deleted, truncate: as-deletes }
`)
	b.exec(`insert into public.logs values (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'), (4, 4, 'd')`)
	b.exec(`truncate public.logs_34`)
	b.wantsAnyOrder(`deleted [3, 3] {"text":"c"}`, `deleted [4, 4] {"text":"d"}`)
	b.exec(`truncate public.logs`)
	b.wantsAnyOrder(`deleted [1, 1] {"text":"a"}`, `deleted [2, 2] {"text":"b"}`)
}

func TestNewPartitionIsDrift(t *testing.T) {
	b := watch(t, logs, logsSpec)
	b.exec(`create table public.logs_5 partition of public.logs for values in (5)`)
	b.drifts(logsSpec,
		`function pgherald."public.logs_5.truncate" is missing`,
		`trigger pgherald_truncate on public.logs_5 is missing`)
	b.apply(parse(t, logsSpec))
	b.drifts(logsSpec)
	b.wants() // no row was missed
	b.gives(`insert into public.logs_5 values (5, 5, 'e')`, `created [5, 5] {"text":"e","was":null}`)
}

func TestPartitionsAreRefused(t *testing.T) {
	b := open(t, logs)
	b.refuses(`tables: [{ name: public.logs_1, on: { insert: created } }]`,
		"table public.logs_1: it is a partition of logs: watch that")
}

// A write to a child by inheritance gives at most one event, whether it names the parent or the child.
func TestInheritance(t *testing.T) {
	b := watch(t, `
		create table public.base (id int primary key, text text);
		create table public.child (extra int, primary key (id)) inherits (public.base);`, `
tables:
  - { name: public.base, payload: { text: n.text }, on: { insert: created, update: updated, delete: deleted } }
`)
	b.gives(`insert into public.base values (1, 'a')`, `created 1 {"text":"a"}`)
	b.gives(`insert into public.child values (2, 'b')`, `created 2 {"text":"b"}`)
	b.gives(`update public.base set text = 'x'`, `updated 1 {"text":"x"}`, `updated 2 {"text":"x"}`)
	b.apply(parse(t, `
tables:
  - { name: public.base, payload: { text: n.text }, on: { update: updated } }
  - { name: public.child, payload: { text: n.text, extra: n.extra }, on: { insert: child_created, update: child_updated } }
`))
	b.wants()
	b.gives(`insert into public.child values (3, 'c')`, `child_created 3 {"text":"c","extra":null}`)
	b.gives(`update public.base set text = 'y' where id > 1`,
		`child_updated 2 {"text":"y","extra":null}`, `child_updated 3 {"text":"y","extra":null}`)
	b.gives(`update public.child set extra = 1 where id = 2`, `child_updated 2 {"text":"y","extra":1}`)
}

func TestForeignChildrenAreRefused(t *testing.T) {
	b := open(t, logs)
	b.exec(`
		create foreign data wrapper nothing;
		create server nowhere foreign data wrapper nothing;
		create table public.far (id int primary key);
		create foreign table public.far_child (id int not null) server nowhere;
		alter foreign table public.far_child inherit public.far`)
	_, err := triggers.Apply(t.Context(), b.conn, parse(t, `tables: [{ name: public.far, on: { insert: created } }]`))
	if err == nil {
		t.Fatal("a table with a foreign child was accepted")
	}
	contains(t, err.Error(), "table public.far: its child public.far_child is a foreign table")
}

// A copy of the row trigger on a partition can be disabled by itself.
func TestDisabledTriggerOfAPartitionIsDrift(t *testing.T) {
	b := watch(t, logs, logsSpec)
	b.exec(`alter table public.logs_1 disable trigger user`)
	b.exec(`insert into public.logs values (1, 1, 'lost')`)
	b.wants()
	b.drifts(logsSpec, `trigger pgherald_truncate on public.logs_1 is disabled`, `trigger "00_pgherald" on public.logs_1 is disabled`)
	b.inspect(logsSpec)
	b.wants(`collection_reset - {"table":"public.logs","reason":"triggers"}`)
	b.apply(parse(t, logsSpec))
	b.wants(`collection_reset - {"table":"public.logs","reason":"triggers"}`)
	b.drifts(logsSpec)
	b.gives(`insert into public.logs values (2, 1, 'b')`, `created [2, 1] {"text":"b","was":null}`)
}

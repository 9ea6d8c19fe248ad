package triggers_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
)

var (
	foldTransactions = flag.Int("fold.transactions", 400, "transactions of TestFoldedEventsEqualTheTables")
	foldSeed         = flag.Uint64("fold.seed", 0, "seed of TestFoldedEventsEqualTheTables; 0: a random one")
)

// foldTables have what makes the order of events hard: foreign keys to itself and from others that cascade,
// partitions at two levels, a unique constraint that is deferred, keys that are equal and not the same, and triggers
// of the application.
const foldTables = `
	create table public.tree (
		id int primary key,
		parent int references public.tree on update cascade on delete cascade,
		v int, u int unique deferrable initially deferred
	);
	create table public.leaf (
		id numeric primary key,
		tree int references public.tree on update cascade on delete set null,
		other int references public.tree on update cascade on delete cascade deferrable initially deferred,
		v int
	);
	create table public.part (id int, part int, v int, primary key (id, part)) partition by list (part);
	create table public.part_1 partition of public.part for values in (1);
	create table public.part_23 (v int, part int not null, id int not null) partition by list (part);
	alter table public.part attach partition public.part_23 for values in (2, 3);
	create table public.part_2 partition of public.part_23 for values in (2);
	create table public.part_3 partition of public.part_23 for values in (3);
	create table public.base (id int primary key, v int);
	create table public.child (primary key (id)) inherits (public.base);

	create function public.again() returns trigger language plpgsql as $$ begin
		if tg_table_name = 'tree' then
			update public.tree set v = v + 1 where id = new.id and v % 7 = 0;
			insert into public.leaf values (new.id + 0.10, new.id, null, 0) on conflict (id) do update set v = coalesce(leaf.v, 0) + 1;
		elsif new.v % 11 = 0 then
			delete from public.leaf where id = new.id;
		end if;
		return null;
	end $$;
	create trigger again after insert or update of v on public.tree for each row when (new.v % 7 = 0) execute function public.again();
	create trigger again after update on public.leaf for each row execute function public.again();
	create function public.before() returns trigger language plpgsql as $$ begin
		if new.v % 5 = 0 then new.v := new.v + 1; end if;
		if new.v % 13 = 0 then return null; end if;
		return new;
	end $$;
	create trigger before before insert or update on public.tree for each row execute function public.before();
	create trigger before before insert or update on public.base for each row execute function public.before();`

const foldSpec = `
tables:
  - { name: public.tree, on: { insert: tree_created, update: tree_updated, delete: tree_deleted, truncate: as-deletes } }
  - { name: public.leaf, on: { insert: leaf_created, update: leaf_updated, delete: leaf_deleted, truncate: as-deletes } }
  - { name: public.part, on: { insert: part_created, update: part_updated, delete: part_deleted, truncate: as-deletes } }
  - { name: public.base, on: { insert: base_created, update: base_updated, delete: base_deleted, truncate: as-deletes } }
`

// foldStatement returns a random statement, which may fail.
func foldStatement(r *rand.Rand) string {
	n := func(limit int) int { return r.IntN(limit) + 1 }
	templates := []string{
		`insert into public.tree select g, nullif($A, g), $V, $B * 100 + g from generate_series($B, $B + $S) as g on conflict (id) do update set v = excluded.v, parent = excluded.parent`,
		`insert into public.tree values ($A, $A, $V, $V) on conflict do nothing`,
		`update public.tree set id = $A where id = $B`,
		`update public.tree set id = id + 1000 where id between $A and $A + $S`,
		`update public.tree set id = id - 1000 where id > 1000`,
		`update public.tree set id = case id when $A then 5000 when $B then $A else id end, v = v + 1 where id in ($A, $B)`,
		`update public.tree set u = (select sum(o.u) from public.tree as o where o.id in ($A, $B)) - u where id in ($A, $B)`,
		`update public.tree set v = v + $S where id % $S = 0`,
		`update public.tree set v = v, u = u`,
		`update public.tree as t set v = o.v, parent = o.parent from public.tree as o where o.id = t.id - 1`,
		`delete from public.tree where id = $A`,
		`delete from public.tree where v % 4 = 0 or parent = $A`,
		`with d as (delete from public.tree where id = $A returning *) insert into public.tree select id, null, v + 1, u from d`,
		`with d as (delete from public.leaf where id >= $A returning *) insert into public.leaf select id, tree, null, v + 1 from d where v < 50`,
		`with i as (insert into public.leaf values ($A, null, null, 0) on conflict (id) do update set v = 3 returning id) update public.tree set v = v + 1 where id in (select id from i)`,
		`with u as (update public.part set v = v + 1 where id = $A returning *) delete from public.part where id = $B`,
		`insert into public.leaf values ($A, $B, $S, $V), ($B + 0.5, $A, null, $V)`,
		`update public.leaf set id = id + 0.00 where v % 3 = 0`,
		`update public.leaf set id = trim_scale(id), v = coalesce(v, 0) + 1 where id < $A`,
		`update public.leaf set id = id * 1.0 where id = $A`,
		`delete from public.leaf using public.tree as t where t.id = leaf.tree and t.v % 2 = 0`,
		`insert into public.part select g, $S, $V from generate_series($A, $A + 3) as g on conflict (id, part) do update set v = excluded.v + 1`,
		`update public.part set part = part % 3 + 1 where id = $A`,
		`update public.part set part = 4 - part, id = id + $S where id < $A`,
		`update public.part set v = coalesce(v, 0) + 1 where part = $S`,
		`update public.part_23 set part = 5 - part where id = $A`,
		`insert into public.part_2 values ($V, 2, $A) on conflict do nothing`,
		`delete from public.part where id = $A`,
		`delete from public.part_1 where id > $A`,
		`insert into public.base values ($A, $V) on conflict (id) do update set v = base.v + 1`,
		`insert into public.child values ($A + 10000, $V) on conflict (id) do update set v = child.v + 1`,
		`update public.base set v = v + 1 where id % 10 = $S`,
		`update public.base set id = id + 1 where id = $A`,
		`delete from only public.base where id = $A`,
		`delete from public.child where v > $V`,
		`set constraints all immediate`,
		`savepoint a`, `rollback to a`, `release a`,
	}
	if r.IntN(60) == 0 {
		templates = []string{`truncate public.part_23`, `truncate public.leaf`, `truncate public.base`, `truncate public.part`}
	}
	if r.IntN(15) == 0 {
		templates = []string{`
			merge into public.part as t using (select g as id, $S as part, $V as v from generate_series($A, $A + 5) as g) as s
			on t.id = s.id and t.part = s.part
			when matched and s.v % 3 = 0 then delete when matched then update set v = s.v, part = s.part % 3 + 1
			when not matched then insert values (s.id, s.part, s.v)`}
	}
	return strings.NewReplacer("$A", strconv.Itoa(n(30)), "$B", strconv.Itoa(n(30)), "$S", strconv.Itoa(n(3)),
		"$V", strconv.Itoa(n(80))).Replace(templates[r.IntN(len(templates))])
}

// fold holds what a client makes of the events: the rows by table and key.
type fold map[string]string

// add applies an event. It returns a mistake in the order: an insert of a row that is there, or a write to one
// that is not.
func (f fold) add(typ, key, data string) string {
	table, op, _ := strings.Cut(typ, "_")
	row := table + " " + key
	_, exists := f[row]
	if exists == (op == "created") {
		return fmt.Sprintf("%s of the row %s, which exists: %v", typ, row, exists)
	}
	if op == "deleted" {
		delete(f, row)
	} else {
		f[row] = data
	}
	return ""
}

// A client that folds the events by key has the rows of the tables after each transaction, and the events of a row
// are an insert, updates and a delete, whatever the statements.
func TestFoldedEventsEqualTheTables(t *testing.T) {
	seed := *foldSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d: use -args -fold.seed=%d", seed, seed)
	r := rand.New(rand.NewPCG(seed, 0))
	b := watch(t, foldTables, foldSpec)
	client, written := fold{}, 0
	var last int64
	for range *foldTransactions {
		var done []string
		begin := append([]string{"begin"}, make([]string, r.IntN(6)+1)...)
		for i := range begin[1:] {
			begin[i+1] = foldStatement(r)
		}
		for _, sql := range append(begin, "commit") {
			_, err := b.conn.Exec(t.Context(), sql)
			done = append(done, fmt.Sprintf("%s -- %v", sql, err))
			if err != nil && sql != "commit" {
				pgtest.Exec(t, b.conn, "rollback")
				break
			}
		}
		got, n := foldEvents(t, b, client, &last)
		written += n
		want := foldRows(t, b)
		if got != "" || !maps.Equal(client, want) {
			t.Fatalf("%s\n%s\nafter\n%s", got, foldDifference(client, want), strings.Join(done, ";\n"))
		}
	}
	if written < *foldTransactions {
		t.Errorf("only %d events: the statements fail too often", written)
	}
}

// foldEvents applies the new events, and returns the first mistake and their number.
func foldEvents(t *testing.T, b *testBed, client fold, last *int64) (mistake string, n int) {
	t.Helper()
	rows, err := b.conn.Query(t.Context(), `select id, type, key, data::jsonb::text from pgherald.events where id > $1 order by id`, *last)
	if err != nil {
		t.Fatal(err)
	}
	var typ, key, data string
	if _, err := pgx.ForEachRow(rows, []any{last, &typ, &key, &data}, func() error {
		n++
		if found := client.add(typ, key, data); mistake == "" {
			mistake = found
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return mistake, n
}

func foldRows(t *testing.T, b *testBed) fold {
	t.Helper()
	rows, err := b.conn.Query(t.Context(), `
		select 'tree ' || id, to_jsonb(r.*)::text from public.tree as r
		union all
		select 'leaf ' || id, to_jsonb(r.*)::text from public.leaf as r
		union all
		select 'base ' || id, to_jsonb(r.*)::text from public.base as r
		union all
		select 'part ' || json_build_array(id, part), to_jsonb(r.*)::text
		from public.part as r`)
	if err != nil {
		t.Fatal(err)
	}
	want := fold{}
	var key, data string
	if _, err := pgx.ForEachRow(rows, []any{&key, &data}, func() error {
		want[key] = data
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return want
}

func foldDifference(client, table fold) string {
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(table)) {
		if client[key] != table[key] {
			lines = append(lines, fmt.Sprintf("%s: the client has %q, the table %s", key, client[key], table[key]))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(client)) {
		if _, ok := table[key]; !ok {
			lines = append(lines, fmt.Sprintf("%s: the client has %s, the table nothing", key, client[key]))
		}
	}
	return strings.Join(lines, "\n")
}

package triggers_test

import "testing"

const treeSpec = `
tables:
  - name: public.tree
    payload: { v: n.v }
    on: { insert: created, update: updated, delete: deleted }
`

const tree = `create table public.tree (
	id int primary key, parent int references public.tree on update cascade on delete cascade, v int
);`

// The events of a statement that touches a row several times come in the order of its writes.
func TestOrderWithinAStatement(t *testing.T) {
	for name, c := range map[string]struct {
		before, sql string
		want        []string
	}{
		"delete and insert in one statement": {
			`insert into public.tree values (1)`,
			`with d as (delete from public.tree where id = 1 returning *)
				insert into public.tree select 1, null, 2 where exists (select from d)`,
			[]string{`deleted 1 {"v":null}`, `created 1 {"v":2}`},
		},
		"cascade to the changed row itself": {
			`insert into public.tree values (1, 1, 5)`,
			`update public.tree set id = 10 where id = 1`,
			[]string{`deleted 1 {"v":5}`, `created 10 {"v":5}`, `updated 10 {"v":5}`},
		},
		"cascade to other rows": {
			`insert into public.tree values (1, null, 5), (2, 1, 6), (3, 2, 7)`,
			`delete from public.tree where id = 1`,
			[]string{`deleted 1 {"v":5}`, `deleted 2 {"v":6}`, `deleted 3 {"v":7}`},
		},
		"two rows swap their keys by way of a third": {
			`insert into public.tree values (1, null, 1), (2, null, 2)`,
			`update public.tree set id = 3 where id = 1; update public.tree set id = 1 where id = 2;
				update public.tree set id = 2 where id = 3`,
			[]string{
				`deleted 1 {"v":1}`, `created 3 {"v":1}`, `deleted 2 {"v":2}`, `created 1 {"v":2}`,
				`deleted 3 {"v":1}`, `created 2 {"v":1}`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := watch(t, tree, treeSpec)
			b.exec(c.before)
			b.events()
			b.gives(c.sql, c.want...)
		})
	}
}

// A trigger of the application writes to the same row again. Its event comes after that of the outer write.
func TestOrderWithATriggerOfTheApplication(t *testing.T) {
	const again = `
		create function public.again() returns trigger language plpgsql as $$ begin
			update public.tree set v = v + 1 where id = new.id and v < 3;
			return null;
		end $$;`
	for name, trigger := range map[string]string{
		"each row":        `create trigger again after insert or update on public.tree for each row execute function public.again()`,
		"an early name":   `create trigger "1st" after insert or update on public.tree for each row execute function public.again()`,
		"constraint":      `create constraint trigger again after insert or update on public.tree deferrable initially deferred for each row execute function public.again()`,
		"created earlier": `create trigger "A" after insert or update on public.tree for each row execute function public.again()`,
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, tree+again+trigger)
			b.apply(parse(t, treeSpec))
			want := []string{`created 1 {"v":1}`, `updated 1 {"v":2}`, `updated 1 {"v":3}`, `created 2 {"v":9}`}
			if name == "constraint" { // fires when the transaction commits
				want = []string{`created 1 {"v":1}`, `created 2 {"v":9}`, `updated 1 {"v":2}`, `updated 1 {"v":3}`}
			}
			b.gives(`insert into public.tree values (1, null, 1), (2, null, 9)`, want...)
		})
	}
}

// This is the limit that docs/guarantees.md states: a trigger of the application for row 1 writes to row 2, whose
// own trigger has not fired yet.
func TestOrderOfATriggerThatWritesToAnotherRowOfTheStatement(t *testing.T) {
	b := watch(t, tree+`
		create function public.other() returns trigger language plpgsql as $$ begin
			update public.tree set v = 100 where id = 2 and new.id = 1;
			return null;
		end $$;
		create trigger other after update on public.tree for each row when (new.v < 100) execute function public.other()`, treeSpec)
	b.exec(`insert into public.tree values (1, null, 1), (2, null, 1)`)
	b.events()
	b.gives(`update public.tree set v = v + 1`,
		`updated 1 {"v":2}`, `updated 2 {"v":100}`, `updated 2 {"v":2}`)
}

func TestPartitionsComeAndGo(t *testing.T) {
	b := watch(t, logs, logsSpec)
	b.exec(`create table public.logs_5 partition of public.logs for values in (5)`)
	b.gives(`insert into public.logs_5 values (5, 5, 'e')`, `created [5, 5] {"text":"e","was":null}`)
	b.gives(`update public.logs set part = 1 where id = 5`,
		`deleted [5, 5] {"text":"e","was":"e"}`, `created [5, 1] {"text":"e","was":null}`)
	b.gives(`update public.logs set part = 5 where id = 5`,
		`deleted [5, 1] {"text":"e","was":"e"}`, `created [5, 5] {"text":"e","was":null}`)
	b.exec(`alter table public.logs detach partition public.logs_5`)
	b.gives(`update public.logs_5 set text = 'x'`)
	b.exec(`create table public.logs_6 (like public.logs including all); insert into public.logs_6 values (6, 6, 'f');
		alter table public.logs attach partition public.logs_6 for values in (6)`)
	b.gives(`update public.logs_6 set text = 'g'`, `updated [6, 6] {"text":"g","was":"f"}`)
}

// Two texts that their type finds equal are two keys: clients compare texts.
func TestKeysThatAreEqualAndNotTheSame(t *testing.T) {
	b := watch(t, `
		create collation public.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
		create table public.words (word text collate public.loose primary key, n int);
		create table public.amounts (amount numeric primary key, n int);
		create table public.pairs (a numeric, b text collate public.loose, n int, primary key (a, b))`, `
tables:
  - { name: public.words, payload: { n: n.n }, on: { insert: created, update: updated, delete: deleted } }
  - { name: public.amounts, payload: { n: n.n }, on: { insert: created, update: updated, delete: deleted } }
  - { name: public.pairs, payload: { n: n.n }, on: { insert: created, update: updated, delete: deleted } }
`)
	b.exec(`insert into public.words values ('Bob', 1); insert into public.amounts values (1.0, 1); insert into public.pairs values (1, 'Bob', 1)`)
	b.events()
	b.gives(`update public.words set word = 'bob'`, `deleted Bob {"n":1}`, `created bob {"n":1}`)
	b.gives(`update public.words set word = 'bob', n = 2`, `updated bob {"n":2}`)
	b.gives(`update public.amounts set amount = 1.00`, `deleted 1.0 {"n":1}`, `created 1.00 {"n":1}`)
	b.gives(`update public.pairs set b = 'BOB'`, `deleted [1, "Bob"] {"n":1}`, `created [1, "BOB"] {"n":1}`)
	b.gives(`update public.pairs set a = 1.0, n = 2`, `deleted [1, "BOB"] {"n":1}`, `created [1.0, "BOB"] {"n":2}`)
}

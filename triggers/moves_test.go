package triggers_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/triggers"
)

const teams = `
	create table public.teams (id int primary key, lead text);
	create table public.tasks (id int primary key, team int, owner text, state text default 'open', note text)`

// TestFormerAudience changes an audience by a column, by a joined table's key, and by neither.
func TestFormerAudience(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"reset", "abort"} {
		b := watch(t, teams, `
tables:
  - name: public.tasks
    collection: tasks
    filter: [state]
    left_join: public.teams as t on t.id = n.team
    payload: { id: n.id, state: n.state, lead: t.lead }
    audience: array['user:' || n.owner, 'user:' || t.lead]
    on_error: `+mode+`
    on: { insert: task_created, update: task_updated, delete: task_deleted }
`)
		b.exec(`insert into public.teams values (1, 'ann'), (2, 'bob'), (3, 'bob'); insert into public.tasks values (1, 1, 'eve')`)
		b.was()
		b.wasWants(`update public.tasks set owner = 'joe'`, `task_updated 1 null {user:eve,user:ann}`)
		b.wasWants(`update public.tasks set team = 2`, `task_updated 1 null {user:joe,user:ann}`)
		b.wasWants(`update public.tasks set team = 3`, `task_updated 1 null null`)
		b.wasWants(`update public.tasks set team = null, state = 'done'`, `task_updated 1 {"state":"open"} {user:joe,user:bob}`)
		b.wasWants(`update public.tasks set note = 'x'`, `task_updated 1 null null`)
	}
}

// An audience that is null denies every client, and '{*}' denies none: both are former audiences like others.
func TestFormerAudienceOfEveryone(t *testing.T) {
	t.Parallel()
	b := watch(t, `create table public.posts (id int primary key, body text, readers text[])`, `
tables:
  - { name: public.posts, collection: posts, audience: n.readers }
`)
	b.exec(`insert into public.posts values (1, 'a', null)`)
	b.was()
	b.wasWants(`update public.posts set readers = '{*}'`, `posts_updated 1 null {}`)
	b.wasWants(`update public.posts set readers = '{a,b}'`, `posts_updated 1 null {*}`)
	b.wasWants(`update public.posts set readers = '{a,b}', body = 'b'`, `posts_updated 1 null null`)
	b.wasWants(`update public.posts set readers = null`, `posts_updated 1 null {a,b}`)
	b.wasWants(`update public.posts set readers = '{}'`, `posts_updated 1 null null`)
}

// TestFormerValuesOfDeletes looks at deletes whose data lacks filter fields, also those of a TRUNCATE.
func TestFormerValuesOfDeletes(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"reset", "abort"} {
		b := watch(t, teams, `
tables:
  - name: public.tasks
    collection: tasks
    row: [id, state, owner]
    filter: [state, id, owner]
    on_error: `+mode+`
    on:
      insert: { type: task_created, payload: { id: n.id, state: n.state, owner: n.owner, extra: 1 } }
      update: { type: task_updated, payload: { id: n.id, owner: n.owner, state: n.state, was: o.state } }
      delete: { type: task_deleted, payload: { id: n.id, owner: o.owner } }
      truncate: as-deletes
`)
		b.exec(`insert into public.tasks values (1, 1, 'eve', 'open'), (2, 1, 'joe', null)`)
		b.was()
		b.wasWants(`delete from public.tasks where id = 1`, `task_deleted 1 {"state":"open","owner":"eve"} null`)
		b.wasWants(`truncate public.tasks`, `task_deleted 2 {"state":null,"owner":"joe"} null`)
	}
}

// Hostile operators and casts on the types of filter fields change neither what is compared nor what is logged.
func TestFormerValuesWithHostileOperators(t *testing.T) {
	t.Parallel()
	b := open(t, `
		create type public.mood as enum ('sad', 'ok');
		create function public.never(public.mood, public.mood) returns boolean language sql as 'select false';
		create function public.always(text, text) returns boolean language sql as 'select true';
		create operator public.<> (leftarg = public.mood, rightarg = public.mood, function = public.never);
		create operator public.= (leftarg = text, rightarg = text, function = public.always);
		create table public.cats (id int primary key, mood public.mood, name text, readers text[])`)
	b.apply(parse(t, `
tables:
  - { name: public.cats, collection: cats, filter: "*", audience: n.readers }
`))
	b.exec(`set search_path = public, pg_catalog; insert into public.cats values (1, 'sad', 'a', '{a}')`)
	b.was()
	b.wasWants(`update public.cats set mood = 'ok', name = 'b', readers = '{b}' where true`, `cats_updated 1 {"mood":"sad","name":"a"} {a}`)
}

// Partitions with their columns in another order, and children with more of them, give the rows that a list shows.
func TestCollectionOfPartitions(t *testing.T) {
	t.Parallel()
	b := watch(t, `
		create table public.logs (id int, at date, note text, primary key (id, at)) partition by range (at);
		create table public.logs_1 (note text, at date not null, id int not null);
		alter table public.logs attach partition public.logs_1 for values from ('2026-01-01') to ('2027-01-01');
		create table public.base (id int primary key, note text);
		create table public.child (more text) inherits (public.base)`, `
tables:
  - { name: public.logs, collection: logs, filter: "*" }
  - { name: public.base, collection: base, filter: "*" }
`)
	b.gives(`insert into public.logs values (1, '2026-02-03', 'a')`, `logs_created [1, "2026-02-03"] {"id":1,"at":"2026-02-03","note":"a"}`)
	b.wasWants(`update public.logs set note = 'b'`, `logs_updated [1, "2026-02-03"] {"note":"a"} null`)
	b.gives(`insert into public.child values (1, 'a', 'secret')`, `base_created 1 {"id":1,"note":"a"}`)
	b.wasWants(`update public.base set note = 'b'`, `base_updated 1 {"note":"a"} null`)
}

// A column of another type makes sessions plan again, as everywhere in a trigger.
func TestFormerValuesAfterAlterTable(t *testing.T) {
	t.Parallel()
	b := watch(t, teams, `
tables:
  - { name: public.tasks, collection: tasks, filter: [state, team] }
`)
	b.exec(`insert into public.tasks values (1, 1, 'eve')`)
	b.wasWants(`update public.tasks set team = 2`, `tasks_created 1 null null`, `tasks_updated 1 {"team":1} null`)
	b.exec(`alter table public.tasks alter team type bigint`)
	b.wasWants(`update public.tasks set team = 3`, `tasks_updated 1 {"team":2} null`)
	b.exec(`alter table public.tasks drop column team`)
	b.wasWants(`update public.tasks set state = 'x'`, `collection_reset - null null`)
}

// TestFilterSince adds, removes and adds filter fields. Every time, since is above the transactions that wrote with a
// function that did not log the field.
func TestFilterSince(t *testing.T) {
	t.Parallel()
	b := open(t, teams)
	apply := func(filter string) {
		t.Helper()
		b.apply(parse(t, `
tables:
  - { name: public.tasks, collection: tasks, filter: `+filter+` }
`))
	}
	rows := func() string {
		return b.one(`select string_agg(field, ' ' order by field) from pgherald.filter_fields`)
	}
	since := func(field string) string {
		return b.one(`select since::text from pgherald.filter_fields where field = $1`, field)
	}
	apply("[state, id]")
	first := since("state")
	apply("[state, id, owner]")
	if since("state") != first || rows() != "id owner state" || len(since("owner")) < len(first) || since("owner") <= first {
		t.Errorf("state since %s, then %s; owner since %s; fields %s", first, since("state"), since("owner"), rows())
	}
	apply("[owner]")
	if rows() != "owner" {
		t.Errorf("fields %s", rows())
	}
	apply("[owner, state]")
	if since("state") <= first {
		t.Errorf("state, removed and added, since %s, before %s", since("state"), first)
	}
	spec := parse(t, `
tables:
  - { name: public.tasks, collection: tasks, filter: [owner, state] }
`)
	first = since("owner")
	b.exec(`delete from pgherald.filter_fields where field = 'state'`)
	if drift := b.check("tables: [{ name: public.tasks, collection: tasks, filter: [owner, state] }]"); len(drift) != 1 || drift[0].Kind != triggers.KindCollection {
		t.Errorf("drift %v", drift)
	}
	sources, err := triggers.Collections(t.Context(), b.conn, spec)
	if err != nil || sources[0].Field("state").FilterSince != 1<<64-1 {
		t.Errorf("got %+v, %v", sources, err)
	}
	if got := b.apply(spec); !slices.Equal(got, triggers.Changes{"record the filter fields of collection tasks"}) {
		t.Errorf("changes %v", got)
	}
	if since("owner") != first {
		t.Error("a field that was logged is logged since later")
	}
	if _, err := triggers.Drop(t.Context(), b.conn, spec); err != nil || rows() != "null" {
		t.Errorf("after a drop: %v, fields %s", err, rows())
	}
}

// TestFilterSinceOfAScript runs what plan prints.
func TestFilterSinceOfAScript(t *testing.T) {
	t.Parallel()
	b := open(t, teams)
	spec := parse(t, "tables: [{ name: public.tasks, collection: tasks, filter: [state] }]")
	for _, generate := range []func() (string, error){
		func() (string, error) { return triggers.Difference(t.Context(), b.conn, spec) },
		func() (string, error) { return triggers.SQL(t.Context(), b.conn, spec) },
	} {
		script, err := generate()
		if err != nil {
			t.Fatal(err)
		}
		lock, since := strings.Index(script, "lock table only public.tasks"), strings.Index(script, "insert into pgherald.filter_fields")
		if lock < 0 || since < lock && since >= 0 {
			t.Errorf("the script writes since when a field is logged before it locks the table:\n%s", script)
		}
		b.exec(script)
		if got := b.one(`select count(*)::text from pgherald.filter_fields`); got != "1" {
			t.Errorf("%s fields", got)
		}
		b.drifts("tables: [{ name: public.tasks, collection: tasks, filter: [state] }]")
	}
}

// TestWriterWithAnOlderFunction shows that since is above the transaction of a writer that began before the apply, and
// that a writer which waits for it logs former values.
func TestWriterWithAnOlderFunction(t *testing.T) {
	t.Parallel()
	b := watch(t, teams, "tables: [{ name: public.tasks }]")
	b.exec(`insert into public.tasks values (1, 1, 'eve')`)
	spec := parse(t, "tables: [{ name: public.tasks, collection: tasks, filter: [state] }]")
	other := pgtest.Connect(t, b.url)
	pgtest.Exec(t, other, `begin; update public.tasks set state = 'a'`)
	waiting := make(chan struct{})
	ended := make(chan error)
	go func() {
		announced := false
		_, err := triggers.Apply(t.Context(), b.conn, spec, triggers.OnWait(func(*triggers.BusyError) {
			if !announced {
				announced = true
				close(waiting)
			}
		}))
		ended <- err
	}()
	<-waiting
	pgtest.Exec(t, other, `update public.tasks set state = 'b'; commit`)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	b.exec(`update public.tasks set state = 'c'`)
	got := b.one(`
		select string_agg(concat(e.was, case when e.xid < f.since then ' before' end), ', ' order by e.id)
		from pgherald.events as e, pgherald.filter_fields as f where e.type = 'tasks_updated'`)
	if diff := cmp.Diff(` before,  before, {"state":"b"}`, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A column that is added shows in events and lists at once. Clients can filter by it after the next apply, which is no
// reason to load the table again. A server that starts in between serves the collection without that filter.
func TestAddedColumn(t *testing.T) {
	t.Parallel()
	const spec = `tables: [{ name: public.tasks, collection: tasks, filter: "*" }]`
	b := watch(t, teams, spec)
	b.exec(`alter table public.tasks add column due date; insert into public.tasks (id, due) values (1, '2026-01-02')`)
	b.wants(`tasks_created 1 {"id":1,"team":null,"owner":null,"state":"open","note":null,"due":"2026-01-02"}`)
	drift := b.check(spec)
	if len(drift) != 1 || drift[0].Kind != triggers.KindCollection || drift[0].Message != "clients cannot filter collection tasks by due yet" {
		t.Errorf("drift %v", drift)
	}
	due := func() collection.Kind {
		t.Helper()
		var notes []triggers.Note
		sources, err := triggers.Collections(t.Context(), b.conn, parse(t, spec), triggers.Notes(&notes))
		if err != nil || len(sources) != 1 || sources[0].Field("due") == nil || sources[0].Field("state").Filter == "" || !sources[0].IsWholeRow {
			t.Fatalf("%+v, %v, notes %v", sources, err, notes)
		}
		if kind := sources[0].Field("due").Filter; (kind == "") != (len(notes) == 1) {
			t.Errorf("kind %s, notes %v", kind, notes)
		}
		return sources[0].Field("due").Filter
	}
	if kind := due(); kind != "" {
		t.Errorf("kind %s before the apply", kind)
	}
	b.apply(parse(t, spec))
	b.wants()
	if kind := due(); kind != collection.Date {
		t.Errorf("kind %s after the apply", kind)
	}
	b.exec(`alter table public.tasks drop column due`)
	if drift := b.check(spec); len(drift) != 1 || drift[0].Kind != triggers.KindDiffers {
		t.Errorf("after a column was dropped: drift %v", drift)
	}
}

// An older server may still serve a field, or a table, that a newer spec no longer has. Its clients load the table again,
// and the server takes note.
func TestSpecWithLess(t *testing.T) {
	t.Parallel()
	b := watch(t, teams, `tables: [{ name: public.tasks, collection: tasks, filter: [owner, state] }, { name: public.teams }]`)
	reset := func(table string) string {
		return `collection_reset - {"table":"` + table + `","reason":"` + collection.ReasonSpec + `"}`
	}
	b.apply(parse(t, `tables: [{ name: public.tasks, collection: tasks, filter: [owner] }, { name: public.teams }]`))
	b.wants(reset("public.tasks"))
	b.apply(parse(t, `tables: [{ name: public.tasks, collection: tasks, filter: [owner, note] }, { name: public.teams }]`))
	b.wants()
	b.apply(parse(t, `tables: [{ name: public.tasks, collection: tasks, filter: [owner, note] }]`))
	b.wants(reset("public.teams"))
}

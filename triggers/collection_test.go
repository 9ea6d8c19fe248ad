package triggers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/triggers"
)

// everyFilter has a column of each kind of filter field, and of each kind of column that cannot be one.
const everyFilter = `
	create collation public.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
	create type public.mood as enum ('sad', 'ok', 'happy');
	create domain public.label as text check (length(value) < 5000);
	create domain public.feeling as public.mood;
	create table public.things (
		id bigint primary key,
		name text, label public.label, code varchar(10), mood public.mood, feeling public.feeling not null default 'ok',
		yes boolean, small smallint, num integer, big bigint, price numeric(10, 2), guid uuid, day date, at timestamp, seen timestamptz not null default '2026-01-02 03:04:05Z',
		"we""ird \\ Name" text,
		fixed char(3), real8 float8, doc jsonb, list int[], nocase text collate public.nocase, owner text,
		twice integer generated always as (num * 2) stored
	)`

const filteredSpec = `
tables:
  - name: public.things
    collection: things
    filter: "*"
`

// was returns the former values and audiences of the events since the last call, one line each.
func (b *testBed) was() []string {
	b.t.Helper()
	return b.lines(`concat_ws(' ', type, coalesce(key, '-'), coalesce(was::text, 'null'), coalesce(audience_was::text, 'null'))`)
}

func (b *testBed) wasWants(sql string, want ...string) {
	b.t.Helper()
	b.exec(sql)
	if diff := cmp.Diff(want, b.was()); diff != "" {
		b.t.Errorf("%s: former values (-want +got):\n%s", sql, diff)
	}
}

// TestFormerValues changes each filter field by itself, and compares what the log has of it with the data before.
func TestFormerValues(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"reset", "abort"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := watch(t, everyFilter, filteredSpec+"    on_error: "+mode+"\n    bigint: text\n")
			b.exec(`insert into public.things values (1, 'a"\', 'b', 'c', 'sad', 'ok', true, 1, 2, 3, 4.50, gen_random_uuid(), '2026-01-02', '2026-01-02 03:04:05.123456', default, 'w');
				insert into public.things (id) values (2)`)
			b.was()
			change := map[string]string{
				"name": "'b'", "label": "null", "code": "'d'", "mood": "'happy'", "feeling": "'sad'", "yes": "false", "small": "2", "num": "null", "big": "9007199254740993",
				"price": "4.5001 * 2", "guid": "gen_random_uuid()", "day": "'infinity'", "at": "null", "seen": "now()", `"we""ird \\ Name"`: "'x'",
			}
			fields := 0
			for column, value := range change {
				fields++
				before := b.one(`select to_json(t.*)->>'id' || coalesce(to_json(x.*)::text, '') from public.things as t, lateral (select t.` + column + `) as x where t.id = 1`)[1:]
				if column == "big" {
					before = strings.NewReplacer(":", `:"`, "}", `"}`).Replace(before)
				}
				if column == "num" { // twice changes with it
					before = strings.Replace(before, "}", `,"twice":4}`, 1)
				}
				b.wasWants(`update public.things set `+column+` = `+value+` where id = 1`, "things_updated 1 "+before+" null")
				b.wasWants(`update public.things set `+column+` = `+column+`, list = array[`+fmt.Sprint(fields)+`] where id = 1`, "things_updated 1 null null")
			}
			b.wasWants(`update public.things set name = 'n', mood = 'ok' where id = 2`, `things_updated 2 {"name":null,"mood":null} null`)
			b.wasWants(`update public.things set id = 3 where id = 2`, "things_deleted 2 null null", "things_created 3 null null")
			b.exec(`update public.things set name = repeat('ä', 3000) where id = 3`)
			b.was()
			b.wasWants(`update public.things set name = name || 'x' where id = 3`, `things_updated 3 {"name":"`+strings.Repeat("ä", 1001)+`"} null`)
			b.wasWants(`delete from public.things where id = 3`, "things_deleted 3 null null")
		})
	}
}

// TestCollections describes a table with every kind of column.
func TestCollections(t *testing.T) {
	t.Parallel()
	b := open(t, everyFilter)
	spec := parse(t, filteredSpec)
	collections := func() []triggers.Source {
		t.Helper()
		sources, err := triggers.Collections(t.Context(), b.conn, spec)
		if err != nil {
			t.Fatal(err)
		}
		return sources
	}
	if got := collections(); len(got) > 0 {
		t.Errorf("before the apply: %v", got)
	}
	b.apply(spec)
	got := collections()[0]
	if got.Name != "things" || got.Table != "public.things" || got.Truncated != "table_truncated" || !slices.Equal(got.Key, []string{"id"}) {
		t.Errorf("got %+v", got)
	}
	kinds := map[string]collection.Kind{}
	for _, f := range got.Fields {
		if f.Filter != "" {
			kinds[f.Name] = f.Filter
			if f.FilterSince == 0 || f.FilterSince > 1<<40 {
				t.Errorf("%s has former values since %d", f.Name, f.FilterSince)
			}
		}
	}
	want := map[string]collection.Kind{
		"id": "integer", "name": "text", "label": "text", "code": "text", "mood": "enum", "feeling": "enum", "yes": "boolean", "small": "integer", "num": "integer",
		"big": "integer", "price": "numeric", "guid": "uuid", "day": "date", "at": "timestamp", "seen": "timestamptz", `we"ird \\ Name`: "text", "owner": "text", "twice": "integer",
	}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("filter fields (-want +got):\n%s", diff)
	}
	price, seen, feeling := got.Field("price"), got.Field("seen"), got.Field("feeling")
	if price.Type != "numeric(10,2)" || !price.Nullable || seen.Nullable || !slices.Equal(feeling.Labels, []string{"sad", "ok", "happy"}) {
		t.Errorf("got %+v, %+v, %+v", price, seen, feeling)
	}
	b.exec(`set timezone = 'UTC'`)
	b.exec(`insert into public.things (id, name) values (1, 'a')`)
	data := b.one(`select data::text from pgherald.events order by id desc limit 1`)
	if row := b.one(`select to_json(r.*)::text from ` + got.From + ` cross join lateral (` + got.RowSQL() + `) as r`); row != data {
		t.Errorf("the list has the row %s, the event %s", row, data)
	}
}

// A server whose spec is not the installed one serves the collections that both have, and says which it leaves out.
func TestCollectionsOfAnotherState(t *testing.T) {
	t.Parallel()
	b := open(t, teams)
	spec := func(version int, task, team string) triggers.Spec {
		return parse(t, fmt.Sprintf(`
version: %d
tables:
  - { name: public.tasks, collection: tasks, %s }
  - { name: public.teams, collection: teams, %s }
`, version, task, team))
	}
	older := spec(1, "columns: { exclude: [note] }, filter: [state]", "filter: [lead]")
	newer := spec(2, "columns: { exclude: [note, owner] }, filter: [state]", "filter: [id, lead]")
	names := func(s triggers.Spec) (list []string, notes []triggers.Note) {
		t.Helper()
		sources, err := triggers.Collections(t.Context(), b.conn, s, triggers.Notes(&notes))
		if err != nil {
			t.Fatal(err)
		}
		for _, source := range sources {
			list = append(list, source.Name)
		}
		return list, notes
	}
	for i, step := range []struct {
		applied *triggers.Spec
		of      triggers.Spec
		want    []string
		note    string
	}{
		{nil, older, nil, "is not watched yet"},
		{&older, older, []string{"tasks", "teams"}, ""},
		{nil, newer, []string{"teams"}, "public.tasks is not served as a collection: its installed triggers are those of another state"},
		{&newer, newer, []string{"tasks", "teams"}, ""},
		{nil, older, []string{"teams"}, "another state"},
	} {
		if step.applied != nil {
			b.apply(*step.applied)
		}
		got, notes := names(step.of)
		if !slices.Equal(got, step.want) || (len(notes) > 0) != (step.note != "") || step.note != "" && !strings.Contains(notes[0].String(), step.note) {
			t.Errorf("step %d: collections %v, notes %v", i, got, notes)
		}
	}
	renamed := newer
	renamed.Name = "another"
	if got, notes := names(renamed); len(got) > 0 || len(notes) != 2 || !strings.Contains(notes[0].String(), "another spec (default) watches it") {
		t.Errorf("of another spec: collections %v, notes %v", got, notes)
	}
}

package triggers_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/triggers"
)

// TestEventTypes describes events that are no part of a collection, among them two of one type.
func TestEventTypes(t *testing.T) {
	t.Parallel()
	b := open(t, `
		create type public.mood as enum ('sad', 'ok');
		create table public.things (id bigint primary key, mood public.mood not null, at timestamptz);
		create table public.others (id int primary key, thing bigint, note text not null);
		create table public.more (id int primary key, thing bigint, note text not null);
		create table public.held (id int primary key)`)
	spec := parse(t, `
bigint: text
tables:
  - name: public.things
    on:
      insert: thing_created
      update: { type: touched, payload: { id: n.id, mood: n.mood, old: o.id, at: n.at } }
  - name: public.more
    left_join: public.things as t on t.id = n.thing
    on: { insert: { type: touched, payload: { id: n.thing, mood: t.mood, at: n.note, twice: n.id * 2 } }, delete: { type: lost, payload: { was: o.note || 'x' } } }
  - name: public.held
    collection: held
  - name: public.others
    collection: others
    row: [id, note]
    on:
      insert: { type: other_created, payload: { id: n.id, note: n.note, user: current_user } }
      update: { type: other_updated, payload: { id: n.id, note: n.note } }
      delete: { type: other_deleted, payload: { id: n.id } }
  - { name: public.missing, on: { insert: missing } }
`)
	types, err := triggers.EventTypes(t.Context(), b.conn, spec)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range types {
		for _, f := range e.Fields {
			got = append(got, fmt.Sprintf("%s.%s: %s as %s %v, null %t", e.Type, f.Name, f.Type, f.JSONType, f.Labels, f.Nullable))
		}
	}
	want := []string{
		"lost.was: text as text [], null true",
		"other_created.id: integer as int4 [], null false", "other_created.note: text as text [], null false", "other_created.user: name as name [], null true",
		"other_deleted.id: integer as int4 [], null false",
		"other_updated.id: integer as int4 [], null false", "other_updated.note: text as text [], null false",
		"thing_created.at: timestamp with time zone as timestamptz [], null true", "thing_created.id: bigint as text [], null false",
		"thing_created.mood: public.mood as text [sad ok], null false",
		"touched.at: unknown as  [], null true", "touched.id: bigint as text [], null true", "touched.mood: unknown as  [], null true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
}

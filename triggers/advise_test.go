package triggers_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
)

// Large collections get an index for each filter field without one, of statements that PostgreSQL runs.
func TestAdvise(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `
		create table public."Orders" (id int primary key, status text, "To Pay" numeric, at date, note text);
		create index on public."Orders" (status);
		create index on public."Orders" ("To Pay") where id > 7;
		create table public.parts (id int primary key, name text) partition by range (id);
		create table public.parts1 partition of public.parts for values from (0) to (20000);
		create table public.small (id int primary key, name text);
		insert into public."Orders" (id) select generate_series(1, 12000);
		insert into public.parts (id) select generate_series(1, 11000);
		insert into public.small (id) select generate_series(1, 9000);
		analyze public."Orders", public.parts, public.small`)
	spec, err := triggers.Parse([]byte(`
tables:
  - {name: public."Orders", collection: orders, filter: [id, status, To Pay, at]}
  - {name: public.parts, collection: parts, filter: "*"}
  - {name: public.small, collection: small, filter: "*"}
`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := triggers.Advise(t.Context(), conn, spec)
	if err != nil {
		t.Fatal(err)
	}
	want := []triggers.Advice{
		{Table: `public."Orders"`, Rows: 12000, Fields: []string{"To Pay", "at"}, Statements: []string{
			`create index concurrently on public."Orders" ("To Pay", id)`, `create index concurrently on public."Orders" (at, id)`,
		}},
		{Table: `public.parts`, Rows: 11000, Fields: []string{"name"}, Statements: []string{`create index on public.parts (name, id)`}, IsPartitioned: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	for _, a := range got {
		for _, sql := range a.Statements {
			pgtest.Exec(t, conn, sql)
		}
	}
	if got, err := triggers.Advise(t.Context(), conn, spec); err != nil || len(got) > 0 {
		t.Errorf("with the indexes: %v, %v", got, err)
	}
}

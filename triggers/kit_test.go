package triggers_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
)

// bench is a database of its own with a connection, and a place in its log.
type bench struct {
	t    testing.TB
	url  string
	conn *pgx.Conn
	last int64 // the last event seen
}

// watch makes tables with the DDL and puts the triggers of the spec on them.
func watch(t testing.TB, ddl, spec string) *bench {
	t.Helper()
	b := open(t, ddl)
	b.apply(parse(t, spec))
	return b
}

func open(t testing.TB, ddl string) *bench {
	t.Helper()
	url := pgtest.NewDatabase(t)
	b := &bench{t: t, url: url, conn: pgtest.Connect(t, url)}
	b.exec(ddl)
	return b
}

func parse(t testing.TB, spec string) triggers.Spec {
	t.Helper()
	parsed, err := triggers.Parse([]byte(spec))
	if err != nil {
		t.Fatalf("parse spec:\n%v", err)
	}
	return parsed
}

func (b *bench) apply(spec triggers.Spec) triggers.Changes {
	b.t.Helper()
	changes, err := triggers.Apply(b.t.Context(), b.conn, spec)
	if err != nil {
		b.t.Fatal(err)
	}
	return changes
}

func (b *bench) exec(sql string, args ...any) {
	b.t.Helper()
	pgtest.Exec(b.t, b.conn, sql, args...)
}

// fails runs a statement that must not succeed, and gives its error.
func (b *bench) fails(sql string) string {
	b.t.Helper()
	_, err := b.conn.Exec(b.t.Context(), sql)
	if err == nil {
		b.t.Fatalf("%s: succeeded", sql)
	}
	return err.Error()
}

// events gives what was logged since the last call, a line each: type, key (- for null), data and,
// unless it is everyone, the audience.
func (b *bench) events() []string {
	b.t.Helper()
	rows, err := b.conn.Query(context.Background(), `
		select id, concat_ws(' ', type, coalesce(key, '-'), data::text, audience::text)
		from pgherald.events
		where id > $1
		order by id`, b.last)
	if err != nil {
		b.t.Fatal(err)
	}
	var lines []string
	var line string
	if _, err := pgx.ForEachRow(rows, []any{&b.last, &line}, func() error {
		lines = append(lines, line)
		return nil
	}); err != nil {
		b.t.Fatal(err)
	}
	return lines
}

// gives runs a statement and compares the events of it with those wanted.
func (b *bench) gives(sql string, want ...string) {
	b.t.Helper()
	b.exec(sql)
	b.wants(want...)
}

func (b *bench) wants(want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.events()); diff != "" {
		b.t.Errorf("events (-want +got):\n%s", diff)
	}
}

// one gives the single value that a query returns, as text.
func (b *bench) one(sql string, args ...any) string {
	b.t.Helper()
	var value *string
	if err := b.conn.QueryRow(b.t.Context(), sql, args...).Scan(&value); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
	if value == nil {
		return "null"
	}
	return *value
}

// atLeast skips a test that needs a newer server.
func atLeast(t testing.TB, version int) {
	t.Helper()
	if have := pgtest.Version(t); have < version {
		t.Skipf("needs PostgreSQL %d, and this is %d", version, have)
	}
}

func contains(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in:\n%s", part, text)
		}
	}
}

// wantsAnyOrder compares events whose order across tables or operations is Postgres's own affair.
func (b *bench) wantsAnyOrder(want ...string) {
	b.t.Helper()
	got := b.events()
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("events (-want +got):\n%s", diff)
	}
}

// refuses applies a spec that must be refused with such an error.
func (b *bench) refuses(spec string, parts ...string) {
	b.t.Helper()
	changes, err := triggers.Apply(b.t.Context(), b.conn, parse(b.t, spec))
	if err == nil {
		b.t.Errorf("apply succeeded: %v\n%s", changes, spec)
		return
	}
	contains(b.t, err.Error(), parts...)
}

// drifts compares what Check finds.
func (b *bench) drifts(spec string, want ...string) {
	b.t.Helper()
	drifts, err := triggers.Check(b.t.Context(), b.conn, parse(b.t, spec))
	if err != nil {
		b.t.Fatal(err)
	}
	var got []string
	for _, d := range drifts {
		got = append(got, d.Message)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("drift (-want +got):\n%s", diff)
	}
}

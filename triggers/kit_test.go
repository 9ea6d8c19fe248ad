package triggers_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
)

// testBed is a fresh database with a connection and a position in its log.
type testBed struct {
	t    testing.TB
	url  string
	conn *pgx.Conn
	last int64 // the last event seen

	inspectors map[string]*triggers.Inspector // by spec
}

// watch runs the DDL and applies the spec.
func watch(t testing.TB, ddl, spec string) *testBed {
	t.Helper()
	b := open(t, ddl)
	b.apply(parse(t, spec))
	return b
}

func open(t testing.TB, ddl string) *testBed {
	t.Helper()
	url := pgtest.NewDatabase(t)
	b := &testBed{t: t, url: url, conn: pgtest.Connect(t, url), inspectors: make(map[string]*triggers.Inspector)}
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

func (b *testBed) apply(spec triggers.Spec) triggers.Changes {
	b.t.Helper()
	changes, err := triggers.Apply(b.t.Context(), b.conn, spec, triggers.LockTimeout(5*time.Minute)) // the default is short for a busy machine
	if err != nil {
		b.t.Fatal(err)
	}
	return changes
}

func (b *testBed) exec(sql string, args ...any) {
	b.t.Helper()
	pgtest.Exec(b.t, b.conn, sql, args...)
}

// fails runs a statement that must fail, and returns its error.
func (b *testBed) fails(sql string) string {
	b.t.Helper()
	_, err := b.conn.Exec(b.t.Context(), sql)
	if err == nil {
		b.t.Fatalf("%s: succeeded", sql)
	}
	return err.Error()
}

// events returns the events logged since the last call, one line each: type, key (- for null), data and,
// unless null, the audience.
func (b *testBed) events() []string {
	b.t.Helper()
	return b.lines(`concat_ws(' ', type, coalesce(key, '-'), data::text, audience::text)`)
}

// lines returns an SQL text about each event since the last call.
func (b *testBed) lines(text string) []string {
	b.t.Helper()
	rows, err := b.conn.Query(context.Background(), "select id, "+text+" from pgherald.events where id > $1 order by id", b.last)
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

// gives runs a statement and compares its events with the wanted ones.
func (b *testBed) gives(sql string, want ...string) {
	b.t.Helper()
	b.exec(sql)
	b.wants(want...)
}

func (b *testBed) wants(want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.events()); diff != "" {
		b.t.Errorf("events (-want +got):\n%s", diff)
	}
}

// one returns the single value of a query as text.
func (b *testBed) one(sql string, args ...any) string {
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
		t.Skipf("needs PostgreSQL %d, this is %d", version, have)
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

// wantsAnyOrder compares events without regard to order: PostgreSQL does not define it across tables and
// operations.
func (b *testBed) wantsAnyOrder(want ...string) {
	b.t.Helper()
	got := b.events()
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("events (-want +got):\n%s", diff)
	}
}

// refuses applies a spec that must fail with an error that contains the parts.
func (b *testBed) refuses(spec string, parts ...string) {
	b.t.Helper()
	changes, err := triggers.Apply(b.t.Context(), b.conn, parse(b.t, spec))
	if err == nil {
		b.t.Errorf("apply succeeded: %v\n%s", changes, spec)
		return
	}
	contains(b.t, err.Error(), parts...)
}

// drifts compares the messages of Check with the wanted ones.
func (b *testBed) drifts(spec string, want ...string) {
	b.t.Helper()
	var got []string
	for _, d := range b.check(spec) {
		got = append(got, d.Message)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("drift (-want +got):\n%s", diff)
	}
}

func (b *testBed) check(spec string) []triggers.Drift {
	b.t.Helper()
	drifts, err := triggers.Check(b.t.Context(), b.conn, parse(b.t, spec))
	if err != nil {
		b.t.Fatal(err)
	}
	return drifts
}

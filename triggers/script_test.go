package triggers_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
)

func (b *testBed) script(spec string, opts ...triggers.Option) string {
	b.t.Helper()
	script, err := triggers.SQL(b.t.Context(), b.conn, parse(b.t, spec), opts...)
	if err != nil {
		b.t.Fatal(err)
	}
	return script
}

// psql runs a script as a database administrator would.
func (b *testBed) psql(script string) (string, error) {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), "script.sql")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		b.t.Fatal(err)
	}
	out, err := exec.CommandContext(b.t.Context(), "psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", file, b.url).CombinedOutput()
	return string(out), err
}

func (b *testBed) runScript(script string) {
	b.t.Helper()
	if out, err := b.psql(script); err != nil || strings.Contains(out, "row)") {
		b.t.Fatalf("psql: %v, want no table of results\n%s", err, out)
	}
}

// The script has the same effect as Apply, whatever was installed before, and running it again is harmless.
func TestScriptHasTheEffectOfApply(t *testing.T) {
	spec := ordersSpec + logsSpec[len("\ntables:\n"):]
	for name, before := range map[string]string{
		"nothing":       "",
		"a former spec": "tables:\n  - { name: public.items, on: { insert: item_created } }\n  - { name: public.orders, on: { delete: gone } }",
		"the same spec": spec,
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, orders+logs+`create table public.items (id int primary key);`)
			if before != "" {
				b.apply(parse(t, before))
			}
			script := b.script(spec)
			b.runScript(script)
			b.runScript(script)
			b.drifts(spec)
			if changes := b.apply(parse(t, spec)); len(changes) > 0 {
				t.Errorf("apply after the script: %v", changes)
			}
			if got := b.one(`select count(*) from pg_trigger where tgrelid = 'public.items'::regclass`); got != "0" {
				t.Error("the script left the triggers of a table that is no longer watched")
			}
		})
	}
}

// With Prune the script removes the triggers of other specs too, as Apply does.
func TestScriptPrunes(t *testing.T) {
	b := watch(t, orders+`create table public.items (id int primary key);`, "name: other\n"+ordersSpec)
	const spec = "tables: [{ name: public.items, on: { insert: item_created } }]"
	b.runScript(b.script(spec))
	if got := b.watched(); got != "public.items by default, public.orders by other" {
		t.Errorf("watched: %s", got)
	}
	b.runScript(b.script(spec, triggers.Prune()))
	if got := b.watched(); got != "public.items by default" {
		t.Errorf("watched after prune: %s", got)
	}
}

// A table in use makes the script fail soon, and then nothing has changed.
func TestScriptDoesNotWaitForLong(t *testing.T) {
	b := open(t, orders)
	script := b.script(ordersSpec)
	writer := pgtest.Connect(t, b.url)
	pgtest.Exec(t, writer, `begin; insert into public.orders values (1)`)
	out, err := b.psql(script)
	if err == nil {
		t.Fatal("the script took a lock that another session held")
	}
	contains(t, out, "canceling statement due to statement timeout")
	if got := b.one(`select to_regproc('pgherald."public.orders.row"')`); got != "null" {
		t.Error("the script left functions behind")
	}
	pgtest.Exec(t, writer, `commit`)
	b.runScript(script)
	b.drifts(ordersSpec)
}

// psql prints nothing, also where the script tells clients to load a table again.
func TestScriptPrintsNothing(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	b.exec(`drop trigger "00_pgherald" on public.orders`)
	script := b.script(ordersSpec)
	contains(t, script, "collection_reset")
	out, err := b.psql(script)
	if err != nil || strings.Contains(out, "row)") {
		t.Errorf("psql printed %v\n%s", err, out)
	}
	if got := b.one(`select count(*) from pgherald.events where type = 'collection_reset'`); got != "1" {
		t.Errorf("%s resets, want 1", got)
	}
}

// SQL refuses what Apply refuses.
func TestScriptIsValidated(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	for spec, want := range map[string]string{
		"tables: [{ name: public.orders, payload: { x: n.x }, on: { insert: a } }]": "column n.x does not exist",
		"tables: [{ name: public.nothing, on: { insert: a } }]":                     "table public.nothing: it does not exist",
		"{ name: other, tables: [{ name: public.orders, on: { insert: a } }] }":     "is watched by spec default",
	} {
		if _, err := triggers.SQL(t.Context(), b.conn, parse(t, spec)); err == nil {
			t.Errorf("SQL succeeded:\n%s", spec)
		} else {
			contains(t, err.Error(), want)
		}
	}
}

// The golden file comes from hand-written relations; this test compares it with the real catalog.
func TestWorkloadScript(t *testing.T) {
	b := open(t, "")
	b.withoutWriter()
	got, err := triggers.SQL(t.Context(), b.conn, triggers.Workload())
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/workload.sql")
	if err != nil {
		t.Fatal(err)
	}
	for statement := range strings.SplitSeq(string(want), ";\n\n") {
		contains(t, got, statement)
	}
}

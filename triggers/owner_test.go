package triggers_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
)

const (
	items     = `create table public.items (id int primary key);`
	itemsSpec = `
name: items
tables:
  - { name: public.items, on: { insert: item_created } }
`
)

// watched lists the watched tables and their specs.
func (b *testBed) watched() string {
	b.t.Helper()
	list, err := triggers.List(b.t.Context(), b.conn)
	if err != nil {
		b.t.Fatal(err)
	}
	var texts []string
	for _, w := range list {
		texts = append(texts, fmt.Sprintf("%s by %s", w.Table, w.Spec))
	}
	return strings.Join(texts, ", ")
}

func (b *testBed) wantsWatched(want string) {
	b.t.Helper()
	if got := b.watched(); got != want {
		b.t.Errorf("watched:\n got %s\nwant %s", got, want)
	}
}

// forgetOwners leaves the triggers as a version that knew no names of specs had installed them.
func (b *testBed) forgetOwners() {
	b.t.Helper()
	b.exec(`delete from pgherald.trigger_functions; delete from pgherald.specs`)
}

func TestSpecsLeaveEachOtherAlone(t *testing.T) {
	b := watch(t, orders+items, ordersSpec)
	b.apply(parse(t, itemsSpec))
	b.wantsWatched("public.items by items, public.orders by default")
	b.drifts(ordersSpec)
	b.drifts(itemsSpec)
	if changes := b.apply(parse(t, ordersSpec)); len(changes) > 0 {
		t.Errorf("the first spec again: %v", changes)
	}
	b.gives(`insert into public.orders values (1)`, `order_created 1 {"id":1,"status":null,"was":null}`)
	b.gives(`insert into public.items values (1)`, `item_created 1 {"id":1}`)
	if _, err := triggers.Drop(t.Context(), b.conn, parse(t, itemsSpec)); err != nil {
		t.Fatal(err)
	}
	b.wantsWatched("public.orders by default")
	if _, err := triggers.DropAll(t.Context(), b.conn); err != nil {
		t.Fatal(err)
	}
	b.wantsWatched("")
}

func TestATableHasOneSpec(t *testing.T) {
	b := watch(t, orders+items+logs, ordersSpec+logsSpec[len("\ntables:\n"):])
	for name, spec := range map[string]string{
		"the same table": "{ name: mine, tables: [{ name: public.orders, on: { insert: mine } }] }",
		"partitioned":    "{ name: mine, tables: [{ name: public.logs, on: { insert: mine } }] }",
	} {
		t.Run(name, func(t *testing.T) {
			table := parse(t, spec).Tables[0].Name.String()
			b.refuses(spec, "table "+table+" of spec mine is watched by spec default", "pgherald drop --name=default", "--prune")
			b.exec(`insert into pgherald.drift (table_name) values ($1) on conflict do nothing`, table)
			if seen, err := triggers.NewInspector(parse(t, spec)).Inspect(t.Context(), b.conn); err != nil || len(seen.Reset) > 0 {
				t.Errorf("inspect: %v, %v", seen, err)
			}
			if drifts := b.check(spec); len(drifts) != 1 || drifts[0].Kind != triggers.KindOwner {
				t.Errorf("drift: %v", drifts)
			}
		})
	}
	// What the other spec lost counts too: its next apply brings it back.
	b.exec(`drop function pgherald."public.orders.row" cascade; drop function pgherald."public.orders.truncate" cascade`)
	b.refuses("{ name: mine, tables: [{ name: public.orders, on: { insert: mine } }] }", "is watched by spec default")
}

func TestPruneRemovesTheOthers(t *testing.T) {
	b := watch(t, orders+items, ordersSpec)
	b.apply(parse(t, itemsSpec))
	spec := parse(t, "{ name: mine, tables: [{ name: public.orders, on: { insert: mine } }] }")
	changes, err := triggers.Apply(t.Context(), b.conn, spec, triggers.Prune())
	if err != nil {
		t.Fatal(err)
	}
	contains(t, strings.Join(changes, "\n"), `drop trigger "00_pgherald" on public.items`, "forget spec default", "forget spec items", "record spec mine")
	b.wantsWatched("public.orders by mine")
	b.events()
	b.gives(`insert into public.orders values (1)`, `mine 1 {"id":1,"status":null,"total":null,"note":null}`)
}

// An installation from before specs had names belongs to the spec that shares a table with it.
func TestAdoption(t *testing.T) {
	const both = `
tables:
  - { name: public.orders, on: { insert: order_created } }
  - { name: public.items, on: { insert: item_created } }
`
	for name, c := range map[string]struct{ spec, want string }{
		"the same spec, and what it no longer has": {ordersSpec, "public.orders by default"},
		"a named spec takes its tables only":       {itemsSpec, "public.items by items, public.orders by "},
		"a spec of other tables takes nothing":     {"tables: [{ name: public.others, on: { insert: a } }]", "public.items by , public.orders by , public.others by default"},
	} {
		t.Run(name, func(t *testing.T) {
			b := watch(t, orders+items+`create table public.others (id int primary key);`, both)
			b.forgetOwners()
			b.wantsWatched("public.items by , public.orders by ")
			if len(b.check(both)) == 0 {
				t.Error("check does not say that the triggers have no owner")
			}
			b.apply(parse(t, c.spec))
			b.wantsWatched(c.want)
			b.drifts(c.spec)
		})
	}
}

func superseded(t *testing.T, err error, parts ...string) {
	t.Helper()
	var older *triggers.SupersededError
	if !errors.As(err, &older) {
		t.Fatalf("got %v, want a SupersededError", err)
	}
	contains(t, err.Error(), parts...)
}

func TestAnOlderSpecDoesNotReplaceANewerOne(t *testing.T) {
	spec := func(version int, event string) string {
		text := "tables: [{ name: public.items, on: { insert: " + event + " } }]"
		if version > 0 {
			text += fmt.Sprintf("\nversion: %d", version)
		}
		return text
	}
	for name, c := range map[string]struct {
		installed []string // in this order
		older     string
		want      string
	}{
		"a lower version":              {[]string{spec(3, "a")}, spec(2, "b"), "version 3 is installed (applied "},
		"no version":                   {[]string{spec(3, "a")}, spec(0, "b"), "and this one has none"},
		"installed before":             {[]string{spec(0, "a"), spec(0, "b")}, spec(0, "a"), "it was installed before, and has been replaced"},
		"the same version, but before": {[]string{spec(1, "a"), spec(1, "b")}, spec(1, "a"), "it was installed before, and has been replaced"},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, items)
			for _, s := range c.installed {
				b.apply(parse(t, s))
			}
			newest := c.installed[len(c.installed)-1]
			_, err := triggers.Apply(t.Context(), b.conn, parse(t, c.older))
			superseded(t, err, "spec default", "is older than the installed one", c.want, "apply --force")
			b.drifts(newest)
			drifts := b.check(c.older)
			if len(drifts) != 1 || drifts[0].Kind != triggers.KindSuperseded {
				t.Errorf("check of the older spec: %v", drifts)
			}
			// A server with the older spec does not call the newer triggers wrong, and tells clients nothing.
			b.exec(`insert into pgherald.drift (table_name) values ('public.items')`)
			if seen, err := triggers.NewInspector(parse(t, c.older)).Inspect(t.Context(), b.conn); err != nil || len(seen.Reset) > 0 {
				t.Errorf("inspect: %v, %v", seen, err)
			}
			if _, err := triggers.Apply(t.Context(), b.conn, parse(t, c.older), triggers.Force()); err != nil {
				t.Fatal(err)
			}
			b.drifts(c.older)
			if changes := b.apply(parse(t, c.older)); len(changes) > 0 {
				t.Errorf("apply after it was forced: %v", changes)
			}
		})
	}
}

func TestAnOlderProgramDoesNotReplaceTheFunctions(t *testing.T) {
	b := watch(t, items, itemsSpec)
	b.exec(`update pgherald.specs set generator = generator + 1`)
	_, err := triggers.Apply(t.Context(), b.conn, parse(t, itemsSpec))
	superseded(t, err, "a newer pgherald has generated its triggers")
	if _, err := triggers.Apply(t.Context(), b.conn, parse(t, itemsSpec), triggers.Force()); err != nil {
		t.Fatal(err)
	}
	b.drifts(itemsSpec)
}

// A version alone can change, and layout, comments and the order of keys do not count.
func TestVersionWithoutAChange(t *testing.T) {
	b := watch(t, items, itemsSpec)
	if changes := b.apply(parse(t, "# again\n"+itemsSpec)); len(changes) > 0 {
		t.Errorf("a comment makes the changes %v", changes)
	}
	want := triggers.Changes{"record spec items (version 7)"}
	if diff := cmp.Diff(want, b.apply(parse(t, itemsSpec+"version: 7\n"))); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if list, err := triggers.List(t.Context(), b.conn); err != nil || len(list) != 1 || list[0].Version != 7 {
		t.Errorf("list: %v, %v", list, err)
	}
}

// Servers with different files start at the same moment, in any order: the newest spec wins.
func TestConcurrentAppliesOfDifferentVersions(t *testing.T) {
	b := open(t, items)
	newest := ""
	var group sync.WaitGroup
	for version := 1; version <= 6; version++ {
		newest = fmt.Sprintf("version: %d\ntables: [{ name: public.items, on: { insert: created_%d } }]", version, version)
		spec, conn := parse(t, newest), pgtest.Connect(t, b.url)
		group.Go(func() {
			var older *triggers.SupersededError
			if _, err := triggers.Apply(t.Context(), conn, spec); err != nil && !errors.As(err, &older) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	b.drifts(newest)
	b.events()
	b.gives(`insert into public.items values (1)`, `created_6 1 {"id":1}`)
}

// Of two specs that want the same table, one gets it, and the other one an error.
func TestConcurrentAppliesOfDifferentSpecs(t *testing.T) {
	b := open(t, items+orders)
	var group sync.WaitGroup
	results := make([]error, 4)
	for i := range results {
		conn := pgtest.Connect(t, b.url)
		spec := parse(t, fmt.Sprintf("name: spec-%d\ntables: [{ name: public.items, on: { insert: a } }]", i))
		group.Go(func() { _, results[i] = triggers.Apply(t.Context(), conn, spec) })
	}
	other := pgtest.Connect(t, b.url)
	if _, err := triggers.Apply(t.Context(), other, parse(t, ordersSpec)); err != nil {
		t.Error(err)
	}
	group.Wait()
	succeeded := 0
	for _, err := range results {
		if err == nil {
			succeeded++
		} else {
			contains(t, err.Error(), "is watched by spec spec-")
		}
	}
	if succeeded != 1 {
		t.Errorf("%d specs have the table", succeeded)
	}
}

func TestApplyNeedsTablesAndItsOwnTables(t *testing.T) {
	b := open(t, items)
	_, err := triggers.Apply(t.Context(), b.conn, triggers.Spec{Name: "empty"})
	if err == nil {
		t.Fatal("apply of a spec without tables succeeded")
	}
	contains(t, err.Error(), "pgherald drop")
	b.exec(`drop table pgherald.specs`)
	_, err = triggers.Apply(t.Context(), b.conn, parse(t, itemsSpec))
	if err == nil {
		t.Fatal("apply succeeded without the table of specs")
	}
	contains(t, err.Error(), "run `pgherald migrate up` first")
	if _, err := triggers.DropAll(t.Context(), b.conn); err != nil {
		t.Errorf("drop of an older database: %v", err)
	}
}

// The server that notices a crash first tells the clients of the tables of all specs.
func TestACrashConcernsTheTablesOfAllSpecs(t *testing.T) {
	b := watch(t, strings.ReplaceAll(orders+items, "create table", "create unlogged table")+
		strings.ReplaceAll(logs, "create table public.logs_1", "create unlogged table public.logs_1"), ordersSpec)
	b.apply(parse(t, itemsSpec))
	b.apply(parse(t, "{ name: logs, tables: [{ name: public.logs, on: { insert: logged } }] }"))
	b.exec(`delete from pgherald.since_crash`) // as a crash does
	seen, err := triggers.NewInspector(parse(t, itemsSpec)).Inspect(t.Context(), b.conn)
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for _, name := range seen.Reset {
		tables = append(tables, name.String())
	}
	if got := strings.Join(tables, " "); got != "public.items public.logs public.orders" {
		t.Errorf("clients load again %s", got)
	}
	if seen, err = triggers.NewInspector(parse(t, ordersSpec)).Inspect(t.Context(), b.conn); err != nil || len(seen.Reset) > 0 {
		t.Errorf("the second server: %v, %v", seen.Reset, err)
	}
}

package triggers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// owner is a row of pgherald.trigger_functions: the spec that a function belongs to, and the table of the spec.
type owner struct {
	spec  string
	table Name
}

// loadOwners returns the owners of the functions by name. A function may be missing all the same.
func loadOwners(ctx context.Context, tx pgx.Tx) (map[string]owner, error) {
	rows, err := tx.Query(ctx, `
		select f.name, f.spec, f.table_schema, f.table_name
		from pgherald.trigger_functions as f
		order by f.name`)
	if err != nil {
		return nil, err
	}
	owners := map[string]owner{}
	var function string
	var o owner
	_, err = pgx.ForEachRow(rows, []any{&function, &o.spec, &o.table.Schema, &o.table.Table}, func() error {
		owners[function] = o
		return nil
	})
	return owners, err
}

// defaultName is the name of a spec that gives itself none, workloadName that of the example.
const (
	defaultName  = "default"
	workloadName = "workload"
)

// ownedBy returns what belongs to a spec that wants these objects.
//
// Before specs had names, a database had the triggers of one spec, and nothing says of which. A spec adopts those
// of the tables that it watches. If its name is that of a spec without a name (or of the example) and there are
// some, it is this spec, and adopts the others too.
func (found installed) ownedBy(name string, want objects) installed {
	adopted := found.withoutOwner(want)
	if len(adopted) > 0 && (name == defaultName || name == workloadName) {
		adopted = found.withoutOwner(found.objects())
	}
	return found.only(func(function string) bool {
		o, ok := found.owners[function]
		return ok && o.spec == name || !ok && slices.Contains(adopted, function)
	})
}

// withoutOwner returns the functions without an owner that serve one of these objects: a function of the same
// name, or one that a trigger on the same table calls.
func (found installed) withoutOwner(objs objects) []string {
	var names []string
	add := func(function string) {
		if _, ok := found.owners[function]; !ok && !slices.Contains(names, function) {
			names = append(names, function)
		}
	}
	for _, f := range found.functions {
		if objs.hasFunction(f.name) {
			add(f.name)
		}
	}
	tables := objs.tables()
	for _, t := range found.triggers {
		if slices.Contains(tables, t.table) {
			add(t.function)
		}
	}
	return names
}

// objects returns the names of what is installed.
func (found installed) objects() objects {
	var objs objects
	for _, f := range found.functions {
		objs.functions = append(objs.functions, f.function)
	}
	for _, t := range found.triggers {
		objs.triggers = append(objs.triggers, t.trigger)
	}
	return objs
}

// only returns the part of found whose functions satisfy the condition.
func (found installed) only(isWanted func(function string) bool) installed {
	part := found
	part.functions, part.triggers = nil, nil
	for _, f := range found.functions {
		if isWanted(f.name) {
			part.functions = append(part.functions, f)
		}
	}
	for _, t := range found.triggers {
		if isWanted(t.function) {
			part.triggers = append(part.triggers, t)
		}
	}
	return part
}

// refuseConflicts adds a mistake to each table of the spec that another spec watches.
func (found installed) refuseConflicts(name string, tables []resolved) {
	for i, r := range tables {
		if by, ok := found.otherOwner(name, r); ok {
			err := fmt.Errorf("table %s of spec %s is watched by spec %s: remove it from one of them, or run `pgherald drop --name=%s`, "+
				"or apply with --prune, which removes the triggers of all other specs", r.table.Name, name, by, by)
			tables[i].mistakes = append([]mistake{{KindOwner, err}}, r.mistakes...)
		}
	}
}

// otherOwner returns another spec that watches the table, or a partition or child of it.
func (found installed) otherOwner(name string, r resolved) (string, bool) {
	var want objects
	if !r.isUnknown() {
		want = r.objects()
	}
	tables := append(want.tables(), r.table.Name)
	for _, function := range slices.Sorted(maps.Keys(found.owners)) {
		o := found.owners[function]
		if o.spec != name && (o.table == r.table.Name || want.hasFunction(function)) {
			return o.spec, true
		}
	}
	for _, t := range found.triggers {
		if o, ok := found.owners[t.function]; ok && o.spec != name && slices.Contains(tables, t.table) {
			return o.spec, true
		}
	}
	return "", false
}

// forget returns the change that removes the state of a spec, or none if there is none.
func forget(spec string, found installed) []change {
	_, isRecorded := found.record(spec)
	if !isRecorded && len(found.ownersOf(spec)) == 0 && !found.hasFilterFields(spec) {
		return nil
	}
	name := quoteLiteral(spec)
	sql := []string{
		"delete from pgherald.trigger_functions where spec = " + name,
		"delete from pgherald.specs where name = " + name,
	}
	if found.hasFilterFields(spec) {
		sql = append(sql, "delete from pgherald.filter_fields where spec = "+name)
	}
	return []change{{action: "forget spec " + spec, sql: sql}}
}

func forgetOthers(spec string, found installed) []change {
	var changes []change
	for _, name := range found.specs() {
		if name != spec {
			changes = append(changes, forget(name, found)...)
		}
	}
	return changes
}

// specs returns the names of all specs that are installed.
func (found installed) specs() []string {
	var names []string
	for _, r := range found.records {
		names = append(names, r.name)
	}
	for _, o := range found.owners {
		names = append(names, o.spec)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// unrecorded returns the functions of which nothing says that they belong to the spec, although they do.
func (found installed) unrecorded(want map[string]owner) []string {
	var names []string
	for _, f := range found.functions {
		if o, ok := want[f.name]; ok && found.owners[f.name] != o {
			names = append(names, f.name)
		}
	}
	return names
}

// recordOwners returns the change that stores which functions belong to the spec, or none if that is stored.
func recordOwners(spec string, want map[string]owner, found installed) []change {
	if maps.Equal(want, found.ownersOf(spec)) {
		return nil
	}
	sql := []string{"delete from pgherald.trigger_functions where spec = " + quoteLiteral(spec)}
	rows := make([]string, 0, len(want))
	for _, function := range slices.Sorted(maps.Keys(want)) {
		o := want[function]
		rows = append(rows, fmt.Sprintf("(%s, %s, %s, %s)", quoteLiteral(function), quoteLiteral(spec),
			quoteLiteral(o.table.Schema), quoteLiteral(o.table.Table)))
	}
	if len(rows) > 0 {
		sql = append(sql, "insert into pgherald.trigger_functions (name, spec, table_schema, table_name)\nvalues\n    "+strings.Join(rows, ",\n    "))
	}
	return []change{{
		action: "record the functions of spec " + spec, sql: sql,
	}}
}

// ownersOf returns the rows of pgherald.trigger_functions of one spec.
func (found installed) ownersOf(spec string) map[string]owner {
	owners := maps.Clone(found.owners)
	maps.DeleteFunc(owners, func(_ string, o owner) bool { return o.spec != spec })
	return owners
}

// wantedOwners returns the rows that pgherald.trigger_functions should have for the tables of a spec. Those of a
// table with a mistake stay.
func wantedOwners(spec string, tables []resolved, found installed) map[string]owner {
	owners := map[string]owner{}
	for _, r := range tables {
		if len(r.mistakes) > 0 {
			for function, o := range found.ownersOf(spec) {
				if o.table == r.table.Name {
					owners[function] = o
				}
			}
			continue
		}
		for _, f := range r.objects().functions {
			owners[f.name] = owner{spec, r.table.Name}
		}
	}
	return owners
}

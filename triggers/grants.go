package triggers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// granted is a row of pgherald.grants, with what the database says about the right.
type granted struct {
	need
	function string
	has      bool // writerRole has the right, or the object is gone
	direct   bool // writerRole has the right itself, and not by PUBLIC
	mayGrant bool // the connected role may give the right away
}

// statesSQL says about rights whether writerRole has them, at all and itself, and whether this role may grant them. It
// looks objects up in the catalog: to_regclass needs a right on the schema.
const statesSQL = `
with needed as (
    select n.kind, n.object, n.name, n.attribute
    from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as n (kind, object, name, attribute)
),
found as (
    select n.kind, n.object, null::smallint as attnum, s.oid, s.nspacl as acl
    from needed as n
    join pg_namespace as s on n.kind = 'schema' and quote_ident(s.nspname) = n.object
    union all
    select n.kind, n.object, a.attnum, c.oid, case when n.attribute is null then c.relacl else a.attacl end
    from needed as n
    join (
        select c.oid, c.relacl, quote_ident(s.nspname) || '.' || quote_ident(c.relname) as name
        from pg_class as c
        join pg_namespace as s on s.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'v', 'm', 'f')
    ) as c on n.kind = 'table' and c.name = n.name
    left join pg_attribute as a on a.attrelid = c.oid and a.attname = n.attribute and not a.attisdropped
    where n.attribute is null or a.attnum is not null
    union all
    select n.kind, n.object, null, p.oid, p.proacl
    from needed as n
    join pg_proc as p on n.kind = 'function' and p.pronamespace <> 'pg_catalog'::regnamespace and p.oid::regprocedure::text = n.object
)
select
    f.kind, f.object,
    case
        when f.kind = 'schema' then has_schema_privilege(w.oid, f.oid, 'usage')
        when f.attnum is not null then has_column_privilege(w.oid, f.oid, f.attnum, 'select')
        when f.kind = 'table' then has_table_privilege(w.oid, f.oid, 'select')
        else has_function_privilege(w.oid, f.oid, 'execute')
    end,
    exists (select from aclexplode(f.acl) as a where a.grantee = w.oid),
    case
        when f.kind = 'schema' then has_schema_privilege(f.oid, 'usage with grant option')
        when f.attnum is not null then has_column_privilege(f.oid, f.attnum, 'select with grant option')
        when f.kind = 'table' then has_table_privilege(f.oid, 'select with grant option')
        else has_function_privilege(f.oid, 'execute with grant option')
    end
from found as f
cross join pg_roles as w
where w.rolname = '` + writerRole + `'`

// loadGrants reads pgherald.grants. It finds nothing if this role may not read the table: a check needs no right on it.
func loadGrants(ctx context.Context, tx pgx.Tx) ([]granted, error) {
	var mayRead bool
	err := tx.QueryRow(ctx, `select has_table_privilege('pgherald.grants', 'select')`).Scan(&mayRead)
	if err != nil || !mayRead {
		return nil, err
	}
	rows, err := tx.Query(ctx, `select g.function_name, g.kind, g.object from pgherald.grants as g order by 1, 2 desc, 3`)
	if err != nil {
		return nil, fmt.Errorf("read pgherald.grants: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (g granted, err error) {
		err = row.Scan(&g.function, &g.kind, &g.object)
		return g, err
	})
	if err != nil {
		return nil, fmt.Errorf("read pgherald.grants: %w", err)
	}
	return all, loadStates(ctx, tx, all)
}

// loadStates completes the rows with what the database says.
func loadStates(ctx context.Context, tx pgx.Tx, all []granted) error {
	var kinds, objects, names []string
	var columns []*string
	for _, g := range all {
		kinds, objects = append(kinds, g.kind), append(objects, g.object)
		if table, column, ok := g.column(); ok {
			names, columns = append(names, table), append(columns, &column)
		} else {
			names, columns = append(names, g.object), append(columns, nil)
		}
	}
	rows, err := tx.Query(ctx, statesSQL, kinds, objects, names, columns)
	if err != nil {
		return fmt.Errorf("look up the rights of %s: %w", writerRole, err)
	}
	states := make(map[need]granted)
	var n need
	var s granted
	_, err = pgx.ForEachRow(rows, []any{&n.kind, &n.object, &s.has, &s.direct, &s.mayGrant}, func() error {
		states[n] = s
		return nil
	})
	for i, g := range all {
		s, found := states[g.need]
		if !found {
			s.has = true // the object is gone
		}
		all[i].has, all[i].direct, all[i].mayGrant = s.has, s.direct, s.mayGrant
	}
	return err
}

// missingGrants are the changes that give lost rights back.
func missingGrants(recorded []granted) []change {
	var changes []change
	var seen []need
	for _, g := range recorded {
		if g.has || slices.Contains(seen, g.need) {
			continue
		}
		seen = append(seen, g.need)
		changes = append(changes, change{
			drift:  fmt.Sprintf("%s lacks a right that function %s needs: %s", writerRole, function{name: g.function}.sqlName(), g.right()),
			action: g.grant(), sql: []string{g.grant()}, kind: KindPrivilege,
		})
	}
	return changes
}

// planGrants returns the changes of rights that go with the changes of functions. needs holds those of the functions
// that are created or replaced, gone the functions that are dropped.
func planGrants(ctx context.Context, tx pgx.Tx, recorded []granted, needs map[string][]need, gone []string) ([]change, error) {
	var kept, old []granted
	for _, g := range recorded {
		if _, ok := needs[g.function]; ok || slices.Contains(gone, g.function) {
			old = append(old, g)
		} else {
			kept = append(kept, g)
		}
	}
	added, err := grantsFor(ctx, tx, needs)
	if err != nil {
		return nil, err
	}
	if err := refused(added); err != nil {
		return nil, err
	}
	changes := []change{{action: "record the rights of the functions", silent: true, sql: recordSQL(added, needs, gone), kind: KindPrivilege}}
	// To take back the right to read a table takes back those to read its columns, too: they come after it.
	changes = append(changes, revocations(old, slices.Concat(kept, added))...)
	return append(changes, missingGrants(lostColumns(changes, added, kept))...), nil
}

// lostColumns returns the added rights in their state after the changes, and the kept ones that the changes take back: those to
// read columns of a table that they take back as a whole.
func lostColumns(changes []change, added, kept []granted) []granted {
	isLost := func(g granted) bool {
		table, _, ok := g.column()
		whole := need{needTable, table}.revoke()
		return ok && slices.ContainsFunc(changes, func(c change) bool { return c.action == whole })
	}
	all := slices.Clone(added)
	for _, g := range kept {
		if g.has && isLost(g) {
			all = append(all, g)
		}
	}
	for i, g := range all {
		all[i].has = g.has && !isLost(g)
	}
	return all
}

// grantsFor returns the rights that the functions need, each once, in a fixed order.
func grantsFor(ctx context.Context, tx pgx.Tx, needs map[string][]need) ([]granted, error) {
	var all []granted
	for _, name := range slices.Sorted(maps.Keys(needs)) {
		for _, n := range needs[name] {
			if g := (granted{need: n, function: name}); !slices.Contains(all, g) {
				all = append(all, g)
			}
		}
	}
	return all, loadStates(ctx, tx, all)
}

// revocations are the changes that take back the rights that no function needs any more.
func revocations(old, needed []granted) []change {
	var changes []change
	var done []need
	for _, g := range old {
		uses := func(other granted) bool { return other.need == g.need }
		if !g.direct || slices.Contains(done, g.need) || slices.ContainsFunc(needed, uses) {
			continue
		}
		done = append(done, g.need)
		changes = append(changes, change{action: g.revoke(), sql: []string{g.revoke()}, kind: KindPrivilege})
	}
	return changes
}

// refused returns an error that lists the rights that this role cannot give.
func refused(added []granted) error {
	var lines []string
	for _, g := range added {
		if line := g.grant(); !g.has && !g.mayGrant && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	slices.Sort(lines)
	return fmt.Errorf("give %s the rights that the functions need: this role may not; run as the owner: %s", writerRole, strings.Join(lines, "; "))
}

// recordSQL generates the statements that store what the functions need.
func recordSQL(added []granted, needs map[string][]need, gone []string) []string {
	var names []string
	for name := range needs {
		names = append(names, quoteLiteral(name))
	}
	for _, name := range gone {
		names = append(names, quoteLiteral(name))
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	sql := []string{"delete from pgherald.grants where function_name in (" + strings.Join(names, ", ") + ")"}
	var values []string
	for _, g := range added {
		values = append(values, fmt.Sprintf("(%s, %s, %s)", quoteLiteral(g.function), quoteLiteral(g.kind), quoteLiteral(g.object)))
	}
	if len(values) > 0 {
		slices.Sort(values)
		sql = append(sql, "insert into pgherald.grants (function_name, kind, object) values\n    "+strings.Join(values, ",\n    "))
	}
	return sql
}

// withGrants adds the changes of rights to the changes of functions and triggers, and puts them first. In a read-only
// transaction, which only finds out whether anything is to change, it adds the lost rights alone.
func withGrants(ctx context.Context, tx pgx.Tx, tables []resolved, found installed, changes []change) ([]change, error) {
	if err := found.writer.mayChange(ctx, tx, changes); err != nil {
		return nil, err
	}
	changes = append(missingGrants(found.grants), changes...)
	if !found.writer.inUse || len(changes) == 0 {
		return changes, nil
	}
	var readOnly bool
	if err := tx.QueryRow(ctx, `select current_setting('transaction_read_only')::boolean`).Scan(&readOnly); err != nil || readOnly {
		return changes, err
	}
	needs, gone, err := changedNeeds(ctx, tx, tables, changes)
	if err != nil || len(needs)+len(gone) == 0 {
		return changes, err
	}
	grants, err := planGrants(ctx, tx, found.grants, needs, gone)
	return append(grants, changes...), err
}

// changedNeeds returns the needs of the functions that the changes create, and the names of those that they drop.
func changedNeeds(ctx context.Context, tx pgx.Tx, tables []resolved, changes []change) (needs map[string][]need, gone []string, err error) {
	needs = make(map[string][]need)
	created := make(map[string]bool)
	for _, c := range changes {
		if c.created != "" {
			created[c.created] = true
		}
		if c.dropped != "" {
			gone = append(gone, c.dropped)
		}
	}
	for _, r := range tables {
		if len(r.mistakes) > 0 || !slices.ContainsFunc(r.objects().functions, func(f function) bool { return created[f.name] }) {
			continue
		}
		all, err := rightsOf(ctx, tx, r)
		if err != nil {
			return nil, nil, err
		}
		for name, list := range all {
			if created[name] {
				needs[name] = list
			}
		}
	}
	return needs, gone, nil
}

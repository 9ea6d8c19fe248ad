package triggers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/bounds"
)

// need is a right that the owner of a trigger function needs outside the schema pgherald.
type need struct {
	kind   string // needSchema, needTable or needFunction
	object string // as SQL, qualified
}

const (
	needSchema   = "schema"   // USAGE
	needTable    = "table"    // SELECT, on all columns or, after the name of the table and in brackets, on one
	needFunction = "function" // EXECUTE
)

func (n need) grant() string  { return "grant " + n.right() + " to " + writerRole }
func (n need) revoke() string { return "revoke " + n.right() + " from " + writerRole }

// right describes the right as GRANT does.
func (n need) right() string {
	switch n.kind {
	case needSchema:
		return "usage on schema " + n.object
	case needTable:
		if table, column, ok := n.column(); ok {
			return "select (" + quoteIdent(column) + ") on table " + table
		}
		return "select on table " + n.object
	}
	return "execute on function " + n.object
}

// rightsOf returns what the functions of a table need, by the name of the function. PostgreSQL finds it out: it records
// what a view depends on. The caller must roll back.
func rightsOf(ctx context.Context, tx pgx.Tx, r resolved) (map[string][]need, error) {
	if n, ok := r.plainNeed(); ok {
		all := make(map[string][]need)
		for _, f := range r.objects().functions {
			all[f.name] = n
		}
		r.addListNeeds(all)
		return all, nil
	}
	from, err := nullRows(ctx, tx, r.rel)
	if err != nil {
		return nil, err
	}
	names, err := quotedNames(ctx, tx, r.members())
	if err != nil {
		return nil, err
	}
	needs := []need{{needSchema, names[0].Schema}}
	for _, op := range []string{opInsert, opUpdate, opDelete} {
		for _, event := range r.table.events(op) {
			found, err := viewNeeds(ctx, tx, r.rel, event, from+joinsSQL(r.table.Joins))
			if err != nil {
				return nil, fmt.Errorf("find out what table %s, on %s, needs: %w", r.table.Name, op, err)
			}
			needs = append(needs, found...)
		}
	}
	all := make(map[string][]need)
	for _, f := range r.objects().functions {
		all[f.name] = needs
	}
	if r.table.Truncate.AsDeletes {
		for i, member := range r.members() {
			own := []need{{needSchema, names[i].Schema}, {needTable, names[i].Schema + "." + names[i].Table}}
			all[functionName(member, opTruncate)] = append(slices.Clone(needs), own...)
		}
	}
	r.addListNeeds(all)
	return all, nil
}

// plainNeed returns the one need of a table whose events show columns alone, of types that are PostgreSQL's own, without
// looking it up: most tables of a large spec are like this.
func (r resolved) plainNeed() ([]need, bool) {
	if !r.rel.onlyBuiltin || r.table.Truncate.AsDeletes || len(r.rel.partitions)+len(r.rel.children) > 0 || !r.table.isPlain(r.rel) {
		return nil, false
	}
	return []need{{needSchema, r.rel.schema}}, true
}

// isPlain reports whether every event shows columns of its row alone.
func (t Table) isPlain(rel relation) bool {
	if len(t.Joins) > 0 {
		return false
	}
	for _, e := range t.RowEvents() {
		if e.When != "" || e.Key != "" || e.Audience != "" || slices.ContainsFunc(e.Payload, func(f Field) bool { return !rel.hasColumn(f.SQL) }) {
			return false
		}
	}
	return true
}

// quotedNames quotes names as PostgreSQL does.
func quotedNames(ctx context.Context, tx pgx.Tx, names []Name) ([]Name, error) {
	schemas, tables := make([]string, len(names)), make([]string, len(names))
	for i, n := range names {
		schemas[i], tables[i] = n.Schema, n.Table
	}
	rows, err := tx.Query(ctx, `
		select quote_ident(n.schema_name), quote_ident(n.table_name)
		from unnest($1::text[], $2::text[]) with ordinality as n (schema_name, table_name, position)
		order by n.position`, schemas, tables)
	if err != nil {
		return nil, fmt.Errorf("quote names: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (n Name, err error) {
		err = row.Scan(&n.Schema, &n.Table)
		return n, err
	})
}

// nullRows generates rows n and o of nulls that do not depend on the table, unlike those of the validation: so a
// dependency on the table shows that an expression reads it.
func nullRows(ctx context.Context, tx pgx.Tx, rel relation) (string, error) {
	var columns string
	err := tx.QueryRow(ctx, `
		select coalesce(string_agg(format('null::%s as %I', format_type(a.atttypid, a.atttypmod), a.attname), ', ' order by a.attnum), '')
		from pg_attribute as a
		where a.attrelid = `+rel.name.regclass()+` and a.attnum > 0 and not a.attisdropped and a.attname = any($1::text[])`,
		rel.columns).Scan(&columns)
	if err != nil {
		return "", fmt.Errorf("read the columns of %s: %w", rel.name, err)
	}
	return "from (select " + columns + ") as n\ncross join (select " + columns + ") as o\n", nil
}

// dependenciesSQL lists the objects that a view needs rights on, and their schemas. It follows the views that the view
// reads: their functions run with the rights of the reader, and their tables are read with those of the views' owners,
// except in views with security_invoker, wherever these are.
const dependenciesSQL = `
with recursive used (refclassid, refobjid, by_name, by_reader) as (
    select d.refclassid, d.refobjid, true, true
    from pg_rewrite as w
    join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
    where w.ev_class = to_regclass($1) and d.refobjid <> w.ev_class
    union
    select d.refclassid, d.refobjid, false, exists (
        select from pg_options_to_table(v.reloptions) as o
        where o.option_name = 'security_invoker' and o.option_value::boolean
    )
    from used as u
    join pg_class as v on u.refclassid = 'pg_class'::regclass and v.oid = u.refobjid and v.relkind = 'v'
    join pg_rewrite as w on w.ev_class = v.oid
    join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refobjid <> v.oid
),
functions as (
    select u.refobjid as oid, u.by_name from used as u where u.refclassid = 'pg_proc'::regclass
    union
    select o.oprcode, u.by_name from used as u join pg_operator as o on o.oid = u.refobjid where u.refclassid = 'pg_operator'::regclass
),
objects (kind, object, namespace, by_name) as (
    select 'table', quote_ident(s.nspname) || '.' || quote_ident(c.relname), c.relnamespace, u.by_name
    from used as u
    join pg_class as c on c.oid = u.refobjid and c.relkind <> 'c'
    join pg_namespace as s on s.oid = c.relnamespace
    where u.refclassid = 'pg_class'::regclass and u.by_reader
    union all
    select 'function', p.oid::regprocedure::text, p.pronamespace, f.by_name
    from functions as f
    join pg_proc as p on p.oid = f.oid
    union all
    select null, null, o.oprnamespace, u.by_name
    from used as u
    join pg_operator as o on o.oid = u.refobjid
    where u.refclassid = 'pg_operator'::regclass
    union all
    select null, null, t.typnamespace, u.by_name
    from used as u
    join pg_type as t on t.oid = u.refobjid
    where u.refclassid = 'pg_type'::regclass
)
select o.kind, o.object from objects as o where o.kind is not null
union
select 'schema', quote_ident(s.nspname)
from objects as o
join pg_namespace as s on s.oid = o.namespace
where o.by_name and s.nspname not in ('pg_catalog', 'pgherald', 'information_schema')
order by 1 desc, 2`

// viewNeeds creates a view of an event's query, reads what it depends on, and drops it. The view is temporary, which
// needs no right on a schema, if the database allows that.
func viewNeeds(ctx context.Context, tx pgx.Tx, rel relation, event Event, from string) ([]need, error) {
	savepoint, err := tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer bounds.Rollback(ctx, savepoint)
	query := strings.Replace(strings.TrimPrefix(insertEvent(rel, event, from), insertInto), tableExists(rel), "true", 1)
	var schema string
	const schemaSQL = `select case when has_database_privilege(current_database(), 'temporary') then 'pg_temp' else 'pgherald' end`
	if err := savepoint.QueryRow(ctx, schemaSQL).Scan(&schema); err != nil {
		return nil, err
	}
	view := schema + ".pgherald_needs"
	if _, err := savepoint.Exec(ctx, "create view "+view+" (type, key, audience, data) as "+restoreLineBreaks(query)); err != nil {
		return nil, err
	}
	rows, err := savepoint.Query(ctx, dependenciesSQL, view)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (n need, err error) {
		err = row.Scan(&n.kind, &n.object)
		return n, err
	})
}

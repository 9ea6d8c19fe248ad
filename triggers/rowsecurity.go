package triggers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Row-level security hides rows from a trigger function if it applies to the function's owner. A join then finds
// no row and gives no event, without an error. Rows of the watched table itself come from PostgreSQL and are never
// hidden, except that `truncate: as-deletes` reads them from the table.

// writerRole owns the trigger functions, if the migrations could create it.
const writerRole = "pgherald_writer"

// ownerSQL returns the role that owns the trigger functions or will: the writer's role, if that may append events and
// the connected role is a member of it. Otherwise it is the owner of an installed function, or the connected role,
// which would create them.
const ownerSQL = `
select coalesce(
	(
		select r.rolname
		from pg_roles as r
		where r.rolname = $1
			and pg_has_role(r.oid, 'usage')
			and has_schema_privilege(r.oid, 'pgherald', 'usage')
			and has_any_column_privilege(r.oid, 'pgherald.events', 'insert')
	),
	(
		select pg_get_userbyid(p.proowner)
		from pg_proc as p
		join pg_trigger as t on t.tgfoid = p.oid
		join pg_class as c on c.oid = t.tgrelid
		where p.pronamespace = 'pgherald'::regnamespace and c.relnamespace <> p.pronamespace
		order by p.proname
		limit 1
	),
	current_user
)::text, exists (select from pg_class as c where c.relrowsecurity)`

// refuseHiddenRows refuses each table whose trigger functions would not see rows that they need.
func refuseHiddenRows(ctx context.Context, tx pgx.Tx, tables []resolved) error {
	var owner string
	var inUse bool
	if err := tx.QueryRow(ctx, ownerSQL, writerRole).Scan(&owner, &inUse); err != nil {
		return fmt.Errorf("look up the owner of the trigger functions: %w", err)
	}
	if !inUse {
		return nil
	}
	if err := refuseHiddenTables(ctx, tx, tables, owner); err != nil {
		return fmt.Errorf("look up row-level security: %w", err)
	}
	for i, r := range tables {
		if len(r.mistakes) > 0 || !r.table.readsTables() {
			continue
		}
		found, err := hiddenInExpressions(ctx, tx, r, owner)
		if err != nil {
			return fmt.Errorf("check row-level security for table %s: %w", r.table.Name, err)
		}
		tables[i].mistakes = found
	}
	return nil
}

// readTable is a table that a trigger function reads by name.
type readTable struct {
	name Name
	why  string
	// isList reports that lists read it, and not the trigger functions.
	isList bool
}

// readTables returns the tables that the functions of r read by name: where joins begin, and what a TRUNCATE
// or a list reads. Others may be inside expressions.
func (r resolved) readTables() []readTable {
	var tables []readTable
	for _, j := range r.table.Joins {
		if name, ok := leadingName(j.SQL); ok {
			tables = append(tables, readTable{name: name, why: "the join with it would drop events"})
		}
	}
	if r.table.Collection != "" {
		tables = append(tables, readTable{r.table.Name, "lists of the collection would miss rows", true})
	}
	if r.table.Truncate.AsDeletes {
		for _, name := range r.members() {
			tables = append(tables, readTable{name: name, why: "truncate: as-deletes would miss deletes"})
		}
	}
	return tables
}

// leadingName returns the table name at the start of a join.
func leadingName(sql string) (Name, bool) {
	schema, rest, err := parseIdent(strings.TrimSpace(sql))
	if err != nil || !strings.HasPrefix(rest, ".") {
		return Name{}, false
	}
	table, _, err := parseIdent(rest[1:])
	return Name{schema, table}, err == nil
}

// hiddenSQL finds tables whose policies apply to a role.
const hiddenSQL = `
select t.n - 1
from unnest($2::text[], $3::text[]) with ordinality as t (schema, name, n)
join pg_namespace as s on s.nspname = t.schema
join pg_class as c on c.relnamespace = s.oid and c.relname = t.name
join pg_roles as r on r.rolname = $1
where c.relrowsecurity
	and not r.rolsuper
	and not r.rolbypassrls
	and (c.relforcerowsecurity or not pg_has_role(r.oid, c.relowner, 'usage'))
order by t.n`

// refuseHiddenTables looks at the tables that the functions read by name. It needs only the catalog.
func refuseHiddenTables(ctx context.Context, tx pgx.Tx, tables []resolved, owner string) error {
	var schemas, names []string
	var places []int // of the watched table, for each table read
	var read []readTable
	for i, r := range tables {
		for _, t := range r.readTables() {
			schemas, names = append(schemas, t.name.Schema), append(names, t.name.Table)
			places, read = append(places, i), append(read, t)
		}
	}
	rows, err := tx.Query(ctx, hiddenSQL, owner, schemas, names)
	if err != nil {
		return err
	}
	var n int
	_, err = pgx.ForEachRow(rows, []any{&n}, func() error {
		r := &tables[places[n]]
		if read[n].isList && r.table.isOffered {
			r.table = r.table.withoutCollection()
			r.unlisted = "row-level security hides its rows from " + quoteIdent(owner)
			return nil
		}
		r.mistakes = append(r.mistakes, mistake{KindRowSecurity, fmt.Errorf(
			"table %s: row-level security of %s hides rows from %s, the owner of the trigger functions: %s; run `alter role %s bypassrls` as a superuser",
			r.table.Name, read[n].name, quoteIdent(owner), read[n].why, quoteIdent(owner))})
		return nil
	})
	return err
}

// readsTables reports whether an expression of the table may read tables.
func (t Table) readsTables() bool {
	if len(t.Joins) > 0 {
		return true
	}
	for _, op := range []string{opInsert, opUpdate, opDelete} {
		for _, e := range t.events(op) {
			for _, sql := range e.expressions() {
				if strings.Contains(strings.ToLower(sql), "select") {
					return true
				}
			}
		}
	}
	return false
}

// expressions returns the SQL expressions of an event.
func (e Event) expressions() []string {
	var all []string
	for _, sql := range append([]string{e.When, e.Key, e.Audience}, fieldsSQL(e.Payload)...) {
		if sql != "" {
			all = append(all, sql)
		}
	}
	return all
}

func fieldsSQL(fields []Field) []string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.SQL
	}
	return all
}

// hiddenInExpressions lets PostgreSQL parse every expression as the owner of the functions, with the setting that
// turns hidden rows into errors. It finds nothing if the connected role may not become the owner.
func hiddenInExpressions(ctx context.Context, tx pgx.Tx, r resolved, owner string) (mistakes []mistake, err error) {
	savepoint, err := tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, savepoint.Rollback(ctx)) }()
	_, err = savepoint.Exec(ctx, "set local row_security = off; set local role "+quoteIdent(owner))
	if err == nil {
		_, err = savepoint.Conn().PgConn().Prepare(ctx, "", allExpressions(r), nil)
	}
	var pg *pgconn.PgError
	switch {
	case !errors.As(err, &pg):
		return nil, err
	case pg.Routine != "check_enable_rls": // the role may lack a right, or the table is locked
		return nil, nil
	}
	return []mistake{{KindRowSecurity, fmt.Errorf(
		"table %s: row-level security hides rows from %s, the owner of the trigger functions: %w; run `alter role %s bypassrls` as a superuser, or, if a view reads the table, for the owner of the view",
		r.table.Name, quoteIdent(owner), postgresError{pg}, quoteIdent(owner))}}, nil
}

// allExpressions generates a query with every expression of the table. It is parsed, never run.
func allExpressions(r resolved) string {
	var list []string
	for _, op := range []string{opInsert, opUpdate, opDelete} {
		for _, e := range r.table.events(op) {
			for _, sql := range e.expressions() {
				list = append(list, "(\n"+sql+"\n)")
			}
		}
	}
	row := "(select " + readable(r.rel) + " from (select (null::" + r.rel.name.String() + ").*) as r)"
	return "select " + strings.Join(list, ", ") + "\nfrom " + row + " as n\ncross join " + row + " as o\n" + restoreLineBreaks(joinsSQL(r.table.Joins))
}

package triggers

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// traits are properties of a table or of any of its partitions that its triggers cannot make good.
type traits struct {
	unlogged    bool // a crash empties it, without triggers
	rowSecurity bool // policies decide who reads which row
}

// traitsSQL reads the traits of tables and of their partitions and children.
const traitsSQL = `
with recursive tree as (
	select t.schema, t.name, c.oid
	from unnest($1::text[], $2::text[]) as t (schema, name)
	join pg_namespace as s on s.nspname = t.schema
	join pg_class as c on c.relnamespace = s.oid and c.relname = t.name
	union
	select tree.schema, tree.name, i.inhrelid
	from tree
	join pg_inherits as i on i.inhparent = tree.oid
)
select tree.schema, tree.name, bool_or(c.relpersistence = 'u'), bool_or(c.relrowsecurity)
from tree
join pg_class as c on c.oid = tree.oid
group by tree.schema, tree.name`

// loadTraits reads the traits of all tables of a spec.
func loadTraits(ctx context.Context, tx pgx.Tx, spec Spec) (map[Name]traits, error) {
	var schemas, names []string
	for _, t := range spec.Tables {
		schemas, names = append(schemas, t.Name.Schema), append(names, t.Name.Table)
	}
	rows, err := tx.Query(ctx, traitsSQL, schemas, names)
	if err != nil {
		return nil, fmt.Errorf("look up properties of the tables: %w", err)
	}
	all := make(map[Name]traits)
	var name Name
	var one traits
	_, err = pgx.ForEachRow(rows, []any{&name.Schema, &name.Table, &one.unlogged, &one.rowSecurity}, func() error {
		all[name] = one
		return nil
	})
	return all, err
}

// warnings reports what is probably a mistake and works as the spec says all the same.
func (r resolved) warnings() []Drift {
	var drifts []Drift
	if types := r.table.publicTypes(); r.traits.rowSecurity && len(types) > 0 {
		drifts = append(drifts, Drift{
			Kind: KindNoAudience, Table: r.table.Name,
			Message: fmt.Sprintf("table %s has row-level security, but its policies do not apply to events: every client receives %s",
				r.table.Name, strings.Join(types, ", ")),
			Remedy: "give these events an audience; array['*'] says that every client may see them",
		})
	}
	if r.traits.unlogged {
		drifts = append(drifts, Drift{
			Kind: KindUnlogged, Table: r.table.Name,
			Message: fmt.Sprintf("table %s is unlogged: a crash of PostgreSQL empties it without events, and only the next check tells clients",
				r.table.Name),
			Remedy: fmt.Sprintf("run `alter table %s set logged`, or accept that", r.table.Name),
		})
	}
	return drifts
}

// publicTypes returns the types of the events that have no audience, each once.
func (t Table) publicTypes() []string {
	var types []string
	seen := make(map[string]bool)
	for _, op := range []string{opInsert, opUpdate, opDelete} {
		for _, e := range t.events(op) {
			if e.Audience == "" && !seen[e.Type] {
				seen[e.Type] = true
				types = append(types, e.Type)
			}
		}
	}
	return types
}

// loadUnlogged returns the tables of all specs that are unlogged, or have an unlogged partition or child.
func loadUnlogged(ctx context.Context, tx pgx.Tx) ([]Name, error) {
	rows, err := tx.Query(ctx, `
		with recursive tree as (
			select f.table_schema, f.table_name, c.oid
			from pgherald.trigger_functions as f
			join pg_namespace as s on s.nspname = f.table_schema
			join pg_class as c on c.relnamespace = s.oid and c.relname = f.table_name
			union
			select tree.table_schema, tree.table_name, i.inhrelid
			from tree
			join pg_inherits as i on i.inhparent = tree.oid
		)
		select distinct tree.table_schema, tree.table_name
		from tree
		join pg_class as c on c.oid = tree.oid
		where c.relpersistence = 'u'
		order by tree.table_schema, tree.table_name`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (name Name, err error) {
		err = row.Scan(&name.Schema, &name.Table)
		return name, err
	})
}

package triggers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// candidate is a table that a pattern may choose, as the catalog describes it. reading its columns and indexes for all tables at once
// keeps the start of a server with hundreds of them short.
type candidate struct {
	oid         uint32
	name        Name
	rowSecurity bool
	// unlisted says why lists could not read the table. It is empty if they can.
	unlisted string
	// mayTrigger reports that the role may create a trigger on the table, or that it has one of ours.
	mayTrigger bool
	// parents are those that it inherits from. Partitions are no candidates.
	parents []Name
	// foreign is a foreign table among its partitions or children, if there is one.
	foreign string
	// columns are readable in a trigger. virtual reports that there are others.
	columns []string
	virtual bool
	indexes []uniqueIndex
}

// candidatesSQL lists the tables of users: no view, partition, foreign or temporary table, and nothing that belongs to
// PostgreSQL, to an extension or to pgherald.
const candidatesSQL = `
with recursive tables as (
	select c.oid, s.oid as schema, s.nspname, c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relowner
	from pg_class as c
	join pg_namespace as s on s.oid = c.relnamespace
	where c.relkind in ('r', 'p')
		and ($1::oid[] is null or c.oid = any ($1))
		and not c.relispartition
		and c.relpersistence <> 't'
		and s.nspname not in ('information_schema', 'pgherald')
		and s.nspname !~ '^pg_'
		and not exists (
			select from pg_depend as d
			where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
		)
),
tree (root, oid) as (
	select i.inhparent, i.inhrelid from pg_inherits as i where i.inhparent in (select t.oid from tables as t)
	union
	select tree.root, i.inhrelid from tree join pg_inherits as i on i.inhparent = tree.oid
)
select t.oid, t.nspname::text, t.relname::text, t.relrowsecurity,
	coalesce((
		select case
			when not has_any_column_privilege(w.oid, t.oid, 'select') and not has_table_privilege(t.oid, 'select with grant option')
			then 'this role may not let ` + writerRole + ` read it'
			when t.relrowsecurity and not w.rolsuper and not w.rolbypassrls and (t.relforcerowsecurity or not pg_has_role(w.oid, t.relowner, 'usage'))
			then 'row-level security hides its rows from ` + writerRole + `: run "alter role ` + writerRole + ` bypassrls" as a superuser'
			end
		from pg_roles as w
		-- Elsewhere another role owns the functions, and resolve looks at its rights.
		where w.rolname = '` + writerRole + `' and exists (
			select from pg_class as e join pg_namespace as n on n.oid = e.relnamespace
			where n.nspname = 'pgherald' and e.relname = 'events' and has_column_privilege(w.oid, e.oid, 'data', 'insert')
		)
	), ''),
	exists (
		select from pg_trigger as g join pg_proc as p on p.oid = g.tgfoid
		where g.tgrelid = t.oid and p.pronamespace = to_regnamespace('pgherald')
	)
	or has_schema_privilege(t.schema, 'usage') and has_table_privilege(t.oid, 'trigger') and has_table_privilege(t.oid, 'select'),
	array(
		select s.nspname::text
		from pg_inherits as i
		join pg_class as c on c.oid = i.inhparent
		join pg_namespace as s on s.oid = c.relnamespace
		where i.inhrelid = t.oid
		order by i.inhseqno
	),
	array(
		select c.relname::text
		from pg_inherits as i
		join pg_class as c on c.oid = i.inhparent
		where i.inhrelid = t.oid
		order by i.inhseqno
	),
	coalesce((
		select min(format('%I.%I', s.nspname, c.relname))
		from tree
		join pg_class as c on c.oid = tree.oid
		join pg_namespace as s on s.oid = c.relnamespace
		where tree.root = t.oid and c.relkind = 'f'
	), '')
from tables as t
order by t.nspname, t.relname`

// loadCandidates returns the tables that pass wanted, in order of name. It leaves out those with names that PostgreSQL cannot send: a
// role with any table of its own must not keep servers from their tables.
func loadCandidates(ctx context.Context, tx pgx.Tx, wanted func(Name) bool) (list []*candidate, err error) {
	add := func(tx pgx.Tx, oids []uint32) error {
		some, err := readCandidates(ctx, tx, oids, wanted)
		list = append(list, some...)
		return err
	}
	err = pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error { return add(savepoint, nil) })
	if isUnreadable(err) {
		oids, listed := allTables(ctx, tx)
		if listed != nil {
			return nil, listed
		}
		_, err = readableTables(ctx, tx, oids, add)
		slices.SortFunc(list, func(a, b *candidate) int {
			return cmp.Or(strings.Compare(a.name.Schema, b.name.Schema), strings.Compare(a.name.Table, b.name.Table))
		})
	}
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	return withColumns(ctx, tx, list)
}

// withColumns reads the columns and indexes of the tables. It leaves out those with names that PostgreSQL cannot send.
func withColumns(ctx context.Context, tx pgx.Tx, list []*candidate) ([]*candidate, error) {
	byOID := map[uint32]*candidate{}
	var oids []uint32
	for _, c := range list {
		byOID[c.oid], oids = c, append(oids, c.oid)
	}
	others, err := readableTables(ctx, tx, oids, func(tx pgx.Tx, oids []uint32) error {
		for _, oid := range oids {
			byOID[oid].columns, byOID[oid].virtual = nil, false // of a call that failed
		}
		return loadCandidateColumns(ctx, tx, oids, byOID)
	})
	if err != nil {
		return nil, fmt.Errorf("list the columns of the tables: %w", err)
	}
	return slices.DeleteFunc(list, func(c *candidate) bool { return slices.Contains(others, c.oid) }), nil
}

// readCandidates returns those of the tables that pass wanted; of all tables if oids is nil.
func readCandidates(ctx context.Context, tx pgx.Tx, oids []uint32, wanted func(Name) bool) (list []*candidate, err error) {
	rows, err := tx.Query(ctx, candidatesSQL, oids)
	if err != nil {
		return nil, err
	}
	var c candidate
	var schemas, tables []string
	targets := []any{&c.oid, &c.name.Schema, &c.name.Table, &c.rowSecurity, &c.unlisted, &c.mayTrigger, &schemas, &tables, &c.foreign}
	_, err = pgx.ForEachRow(rows, targets, func() error {
		if !wanted(c.name) {
			return nil
		}
		one := c
		for i, schema := range schemas {
			one.parents = append(one.parents, Name{schema, tables[i]})
		}
		list = append(list, &one)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func loadCandidateColumns(ctx context.Context, tx pgx.Tx, oids []uint32, byOID map[uint32]*candidate) error {
	rows, err := tx.Query(ctx, `
		select a.attrelid, a.attname::text, a.attgenerated = 'v'
		from pg_attribute as a
		where a.attrelid = any ($1) and a.attnum > 0 and not a.attisdropped
		order by a.attrelid, a.attnum`, oids)
	if err != nil {
		return err
	}
	var oid uint32
	var column string
	var virtual bool
	_, err = pgx.ForEachRow(rows, []any{&oid, &column, &virtual}, func() error {
		c := byOID[oid]
		if virtual {
			c.virtual = true
		} else {
			c.columns = append(c.columns, column)
		}
		return nil
	})
	if err != nil {
		return err
	}
	indexes, err := loadUniqueIndexes(ctx, tx, oids...)
	for oid, list := range indexes {
		byOID[oid].indexes = list
	}
	return err
}

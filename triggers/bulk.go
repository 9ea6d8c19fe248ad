package triggers

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// catalog holds what PostgreSQL's catalog says about the tables of a spec. One query for all of them reads each kind of
// thing: a query for each table would let a start take as many round trips as a spec has tables.
type catalog struct {
	tables   map[Name]tableEntry
	children map[uint32][]childEntry
	columns  map[uint32][]columnEntry
	types    types
	indexes  map[uint32][]uniqueIndex
	// writerOwns reports that the functions belong to writerRole, or will.
	writerOwns bool
}

type tableEntry struct {
	oid               uint32
	kind, persistence string
	parent            string // of a partition
	schema, table     string // as PostgreSQL quotes them
}

// childEntry is a partition of a table, or a table that inherits from it, at any level.
type childEntry struct {
	oid         uint32
	name        Name
	kind        string
	isPartition bool
}

type columnEntry struct {
	name      string
	typeOID   uint32
	isVirtual bool
	typeName  string // with its modifier, as PostgreSQL writes it
	notNull   bool   // for all rows
	// isOrdered reports a collation by which only equal texts are equal.
	isOrdered bool
}

func loadCatalog(ctx context.Context, tx pgx.Tx, spec Spec) (cat catalog, err error) {
	if cat.writerOwns, err = writerOwns(ctx, tx); err != nil {
		return cat, err
	}
	oids, err := cat.loadTables(ctx, tx, spec)
	if err != nil {
		return cat, fmt.Errorf("look up the tables: %w", err)
	}
	if err := cat.loadChildren(ctx, tx, oids); err != nil {
		return cat, fmt.Errorf("look up the partitions of the tables: %w", err)
	}
	if cat.types, err = loadTypes(ctx, tx, oids, nil); err != nil {
		return cat, err
	}
	if err := cat.loadColumns(ctx, tx, oids); err != nil {
		return cat, fmt.Errorf("look up the columns of the tables: %w", err)
	}
	cat.indexes, err = loadUniqueIndexes(ctx, tx, oids...)
	return cat, err
}

func (cat *catalog) loadTables(ctx context.Context, tx pgx.Tx, spec Spec) (oids []uint32, err error) {
	var schemas, names []string
	for _, t := range spec.Tables {
		schemas, names = append(schemas, t.Name.Schema), append(names, t.Name.Table)
	}
	rows, err := tx.Query(ctx, `
		select s.nspname::text, c.relname::text, c.oid, c.relkind::text, c.relpersistence::text,
			coalesce((
				select p.relname
				from pg_inherits as i
				join pg_class as p on p.oid = i.inhparent
				where i.inhrelid = c.oid and c.relispartition
			), '')::text,
			quote_ident(s.nspname), quote_ident(c.relname)
		from unnest($1::text[], $2::text[]) as t (schema, name)
		join pg_namespace as s on s.nspname = t.schema
		join pg_class as c on c.relnamespace = s.oid and c.relname = t.name`, schemas, names)
	if err != nil {
		return nil, err
	}
	cat.tables = map[Name]tableEntry{}
	var name Name
	var t tableEntry
	_, err = pgx.ForEachRow(rows, []any{&name.Schema, &name.Table, &t.oid, &t.kind, &t.persistence, &t.parent, &t.schema, &t.table}, func() error {
		cat.tables[name] = t
		oids = append(oids, t.oid)
		return nil
	})
	return oids, err
}

func (cat *catalog) loadChildren(ctx context.Context, tx pgx.Tx, oids []uint32) error {
	rows, err := tx.Query(ctx, `
		with recursive tree (root, oid) as (
			select i.inhparent, i.inhrelid from pg_inherits as i where i.inhparent = any ($1)
			union
			select tree.root, i.inhrelid from pg_inherits as i join tree on tree.oid = i.inhparent
		)
		select tree.root, c.oid, s.nspname::text, c.relname::text, c.relkind::text, c.relispartition
		from tree
		join pg_class as c on c.oid = tree.oid
		join pg_namespace as s on s.oid = c.relnamespace
		order by tree.root, s.nspname, c.relname`, oids)
	if err != nil {
		return err
	}
	cat.children = map[uint32][]childEntry{}
	var root uint32
	var c childEntry
	_, err = pgx.ForEachRow(rows, []any{&root, &c.oid, &c.name.Schema, &c.name.Table, &c.kind, &c.isPartition}, func() error {
		cat.children[root] = append(cat.children[root], c)
		return nil
	})
	return err
}

func (cat *catalog) loadColumns(ctx context.Context, tx pgx.Tx, oids []uint32) error {
	rows, err := tx.Query(ctx, `
		select a.attrelid, a.attname::text, a.atttypid, a.attgenerated = 'v', format_type(a.atttypid, a.atttypmod),
			-- PostgreSQL 18 has constraints that old rows need not satisfy.
			a.attnotnull and not exists (
				select from pg_constraint as k
				where k.conrelid = a.attrelid and k.contype = 'n' and k.conkey = array[a.attnum] and not k.convalidated
			),
			coalesce((select l.collisdeterministic from pg_collation as l where l.oid = a.attcollation), true)
		from pg_attribute as a
		where a.attrelid = any ($1) and a.attnum > 0 and not a.attisdropped
		order by a.attrelid, a.attnum`, oids)
	if err != nil {
		return err
	}
	cat.columns = map[uint32][]columnEntry{}
	var oid uint32
	var c columnEntry
	_, err = pgx.ForEachRow(rows, []any{&oid, &c.name, &c.typeOID, &c.isVirtual, &c.typeName, &c.notNull, &c.isOrdered}, func() error {
		cat.columns[oid] = append(cat.columns[oid], c)
		return nil
	})
	return err
}

// addChildren adds the partitions of a table and the tables that inherit from it. A foreign table among them is an
// error: a write through the parent would give no event for its rows.
func (cat catalog) addChildren(oid uint32, rel *relation) error {
	rel.oids = make(map[Name]uint32)
	for _, c := range cat.children[oid] {
		rel.oids[c.name] = c.oid
		switch {
		case c.kind == "f":
			return fmt.Errorf("its child %s is a foreign table, whose rows change without triggers", c.name)
		case c.isPartition:
			rel.partitions = append(rel.partitions, partition{name: c.name, partitioned: c.kind == "p"})
		default:
			rel.children = append(rel.children, c.name)
		}
	}
	return nil
}

func (cat catalog) addColumns(oid uint32, rel *relation) {
	rel.onlyBuiltin = true
	rel.spelling, rel.bigints = make(map[string]spelling), make(map[string]string)
	rel.types = make(map[string]columnType)
	for _, c := range cat.columns[oid] {
		rel.onlyBuiltin = rel.onlyBuiltin && cat.types.isBuiltin(c.typeOID)
		rel.spelling[c.name] = cat.types.spelling(c.typeOID)
		rel.types[c.name] = cat.types.column(c)
		if cast := cat.types.bigintCast(c.typeOID); cast != "" {
			rel.bigints[c.name] = cast
		}
		if c.isVirtual {
			rel.virtual = append(rel.virtual, c.name)
		} else {
			rel.columns = append(rel.columns, c.name)
		}
	}
}

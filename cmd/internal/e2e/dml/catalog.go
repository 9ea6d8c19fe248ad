package dml

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Table is a table that writers write to.
type Table struct {
	SQL     string // its qualified name
	Columns []Column
	Key     []int // the columns of its key, as indices; empty if it has none
	foreign []foreignKey
	// referenced reports that a foreign key leads here, so that TRUNCATE needs CASCADE.
	referenced bool
	// partition reports that it is one of many that make a table.
	partition bool
}

// Column is a column of a table.
type Column struct {
	Name string
	SQL  string // quoted
	Type string // as SQL names it

	base      string // the type below domains and without its length
	length    int    // of varchar(n) and char(n), 0 if unbounded
	labels    []string
	nullable  bool
	unique    bool // a part of a unique index
	generated bool // writers cannot set it
	defaults  bool // it has a default or is an identity
}

type foreignKey struct {
	columns []int
	parent  string
	refs    []string // columns of the parent, quoted
}

// Read returns the tables of a database, partitions and inheriting tables among them, without those of pgherald.
func Read(ctx context.Context, conn *pgx.Conn) ([]*Table, error) {
	var tables []*Table
	rows, _ := conn.Query(ctx, `
select c.oid, format('%I.%I', n.nspname, c.relname),
    exists (select from pg_constraint f where f.confrelid = c.oid and f.contype = 'f' and f.conrelid <> c.oid), c.relispartition
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgherald')
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by 2`)
	oids := map[*Table]uint32{}
	var oid uint32
	t := &Table{}
	_, err := pgx.ForEachRow(rows, []any{&oid, &t.SQL, &t.referenced, &t.partition}, func() error {
		read := *t
		tables = append(tables, &read)
		oids[&read] = oid
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the tables: %w", err)
	}
	for _, t := range tables {
		if err := t.read(ctx, conn, oids[t]); err != nil {
			return nil, fmt.Errorf("read table %s: %w", t.SQL, err)
		}
	}
	return tables, nil
}

// read reads the columns, the key and the foreign keys.
func (t *Table) read(ctx context.Context, conn *pgx.Conn, oid uint32) error {
	rows, _ := conn.Query(ctx, `
with recursive base as (
    select a.attnum, a.atttypid as typ, a.atttypmod as typmod from pg_attribute a where a.attrelid = $1
    union all
    select b.attnum, y.typbasetype, case when y.typtypmod >= 0 then y.typtypmod else b.typmod end
    from base b join pg_type y on y.oid = b.typ where y.typtype = 'd'
)
select a.attnum, a.attname, format('%I', a.attname), format_type(a.atttypid, a.atttypmod), format_type(b.typ, null),
    case when b.typ in ('bpchar'::regtype, 'varchar'::regtype) and b.typmod > 4 then b.typmod - 4 else 0 end,
    coalesce((select array_agg(e.enumlabel order by e.enumsortorder) from pg_enum e where e.enumtypid = b.typ), '{}'),
    not a.attnotnull,
    exists (select from pg_index i where i.indrelid = $1 and i.indisunique and a.attnum = any (i.indkey)),
    a.attgenerated <> '' or a.attidentity = 'a', a.atthasdef or a.attidentity <> ''
from pg_attribute a join base b on b.attnum = a.attnum
join pg_type y on y.oid = b.typ and y.typtype <> 'd'
where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
order by a.attnum`, oid)
	var numbers []int16
	var number int16
	var c Column
	_, err := pgx.ForEachRow(rows, []any{&number, &c.Name, &c.SQL, &c.Type, &c.base, &c.length, &c.labels, &c.nullable, &c.unique, &c.generated, &c.defaults}, func() error {
		t.Columns, numbers = append(t.Columns, c), append(numbers, number)
		c.labels = nil
		return nil
	})
	if err != nil {
		return err
	}
	if err := t.readKey(ctx, conn, oid, numbers); err != nil {
		return err
	}
	return t.readForeignKeys(ctx, conn, oid, numbers)
}

// readKey reads the primary key, or else a unique index whose columns are all not null.
func (t *Table) readKey(ctx context.Context, conn *pgx.Conn, oid uint32, numbers []int16) error {
	rows, _ := conn.Query(ctx, `
select (i.indkey::int2[])[0:i.indnkeyatts - 1] from pg_index i
where i.indrelid = $1 and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
    and not exists (select from pg_attribute a where a.attrelid = $1 and a.attnum = any (i.indkey) and not a.attnotnull)
order by not i.indisprimary, i.indexrelid limit 1`, oid)
	keys, err := pgx.CollectRows(rows, pgx.RowTo[[]int16])
	if err == nil && len(keys) > 0 {
		t.Key = indices(keys[0], numbers)
	}
	return err
}

func (t *Table) readForeignKeys(ctx context.Context, conn *pgx.Conn, oid uint32, numbers []int16) error {
	rows, _ := conn.Query(ctx, `
select f.conkey, format('%I.%I', n.nspname, p.relname),
    (select array_agg(format('%I', a.attname) order by k.place)
    from unnest(f.confkey) with ordinality as k(number, place) join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.number)
from pg_constraint f join pg_class p on p.oid = f.confrelid join pg_namespace n on n.oid = p.relnamespace
where f.conrelid = $1 and f.contype = 'f' order by f.oid`, oid)
	var own []int16
	var f foreignKey
	_, err := pgx.ForEachRow(rows, []any{&own, &f.parent, &f.refs}, func() error {
		f.columns = indices(own, numbers)
		t.foreign = append(t.foreign, f)
		own, f.refs = nil, nil
		return nil
	})
	return err
}

// indices turns numbers of columns into places.
func indices(of, numbers []int16) []int {
	places := make([]int, len(of))
	for i, number := range of {
		places[i] = slices.Index(numbers, number)
	}
	return places
}

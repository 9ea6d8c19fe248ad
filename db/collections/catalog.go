package collections

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// keySQL describes the key columns of tables. Of the operators, it finds the one in the default operator class of the
// type, which the index of a key supports.
const keySQL = `
with recursive wanted as (
    select w.list, w.position, a.atttypid as type
    from unnest($1::int8[], $2::text[], $3::text[], $4::text[]) with ordinality as w (list, "schema", "table", "column", position)
    join pg_namespace as s on s.nspname = w."schema"
    join pg_class as c on c.relnamespace = s.oid and c.relname = w."table"
    join pg_attribute as a on a.attrelid = c.oid and a.attname = w."column" and not a.attisdropped
),
based as (
    select w.list, w.position, w.type from wanted as w
    union all
    select b.list, b.position, t.typbasetype from based as b join pg_type as t on t.oid = b.type where t.typtype = 'd'
)
select
    b.list,
    format_type(t.oid, -1),
    coalesce((
        select format('operator(%I.%s)', s.nspname, o.oprname)
        from pg_opclass as c
        join pg_am as m on m.oid = c.opcmethod and m.amname = 'btree'
        join pg_amop as p on p.amopfamily = c.opcfamily and p.amoplefttype = c.opcintype
            and p.amoprighttype = c.opcintype and p.amopstrategy = 3
        join pg_operator as o on o.oid = p.amopopr
        join pg_namespace as s on s.oid = o.oprnamespace
        where c.opcintype = t.oid and c.opcdefault
    ), 'operator(pg_catalog.=)'),
    t.typtype = 'b' and t.typcategory <> 'A' and t.typnamespace <> 'pg_catalog'::regnamespace
from based as b
join pg_type as t on t.oid = b.type
where t.typtype <> 'd'
order by b.position`

// settingsSQL reads the settings of the trigger functions. Those that pgherald.list_rows has itself are left out.
const settingsSQL = `
select w.list, split_part(s.setting, '=', 1), substr(s.setting, strpos(s.setting, '=') + 1)
from unnest($1::int8[], $2::text[], $3::text[]) as w (list, "schema", "table")
join pg_namespace as n on n.nspname = w."schema"
join pg_class as c on c.relnamespace = n.oid and c.relname = w."table"
join pg_trigger as t on t.tgrelid = c.oid and t.tgname = '00_pgherald'
join pg_proc as p on p.oid = t.tgfoid
cross join unnest(p.proconfig) as s (setting)
where s.setting <> all (array(
    select unnest(l.proconfig)
    from pg_proc as l
    join pg_namespace as m on m.oid = l.pronamespace
    where m.nspname = 'pgherald' and l.proname = 'list_rows'
))`

// othersSQL finds the tables that inherit from a watched one and are watched as tables of their own: their rows have other
// events, and belong to another list or to none.
const othersSQL = `
with recursive tree (list, function, oid) as (
    select w.list, t.tgfoid, c.oid
    from unnest($1::int8[], $2::text[], $3::text[]) as w (list, "schema", "table")
    join pg_namespace as n on n.nspname = w."schema"
    join pg_class as c on c.relnamespace = n.oid and c.relname = w."table"
    join pg_trigger as t on t.tgrelid = c.oid and t.tgname = '00_pgherald'
    union
    select p.list, p.function, i.inhrelid
    from tree as p
    join pg_inherits as i on i.inhparent = p.oid
    join pg_class as c on c.oid = i.inhrelid and not c.relispartition
)
select c.list, array_agg(c.oid order by c.oid)::text
from tree as c
join pg_trigger as t on t.tgrelid = c.oid and t.tgname = '00_pgherald' and t.tgfoid <> c.function
group by c.list`

// load completes the lists with what the catalog says. The connection's search path must have pg_catalog alone.
func load(ctx context.Context, tx pgx.Tx, sources []Source) ([]*list, error) {
	lists := make([]*list, len(sources))
	var tables, columns tableNames
	var names []string // of the columns
	for i, s := range sources {
		lists[i] = &list{Source: s}
		tables.add(i, s.Table)
		for _, name := range s.Key {
			columns.add(i, s.Table)
			names = append(names, name)
		}
	}
	var at int64
	var k keyColumn
	err := forEach(ctx, tx, []any{&at, &k.sqlType, &k.equals, &k.isForeign}, func() {
		l := lists[at]
		k.column = "n." + pgx.Identifier{l.Key[len(l.key)]}.Sanitize()
		l.key = append(l.key, k)
	}, keySQL, columns.lists, columns.schemas, columns.tables, names)
	if err != nil {
		return nil, fmt.Errorf("look up the keys of the collections: %w", err)
	}
	var name, value string
	err = forEach(ctx, tx, []any{&at, &name, &value}, func() { lists[at].settings = append(lists[at].settings, name, value) },
		settingsSQL, tables.lists, tables.schemas, tables.tables)
	if err != nil {
		return nil, fmt.Errorf("look up the settings of the trigger functions: %w", err)
	}
	err = forEach(ctx, tx, []any{&at, &value}, func() { lists[at].others = value }, othersSQL, tables.lists, tables.schemas, tables.tables)
	if err != nil {
		return nil, fmt.Errorf("look up the tables that inherit from collections: %w", err)
	}
	for _, l := range lists {
		if len(l.key) != len(l.Key) {
			return nil, fmt.Errorf("look up the key of the collection %s: table %s has no longer all of its columns: run pgherald apply", l.Name, l.Table)
		}
	}
	return lists, nil
}

// tableNames are the tables of lists, as columns of a query.
type tableNames struct {
	lists           []int64
	schemas, tables []string
}

func (t *tableNames) add(list int, sql string) {
	schema, table := splitName(sql)
	t.lists, t.schemas, t.tables = append(t.lists, int64(list)), append(t.schemas, schema), append(t.tables, table)
}

func forEach(ctx context.Context, tx pgx.Tx, into []any, do func(), sql string, args ...any) error {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, into, func() error {
		do()
		return nil
	})
	return err
}

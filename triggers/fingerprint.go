package triggers

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// fingerprintSQL returns a text that changes whenever one of these does: a watched table, its columns, their enums, indexes,
// partitions and children, any trigger function and any trigger of ours, and which specs are installed. A row that
// changes gets another xmin; VACUUM and ANALYZE change none in the catalog.
const fingerprintSQL = `
with recursive tree as (
	select c.oid
	from unnest($1::text[], $2::text[]) as t (schema, name)
	join pg_namespace as s on s.nspname = t.schema
	join pg_class as c on c.relnamespace = s.oid and c.relname = t.name
	union
	select i.inhrelid
	from tree
	join pg_inherits as i on i.inhparent = tree.oid
),
types (oid) as (
	select a.atttypid from pg_attribute as a where a.attrelid in (select tree.oid from tree) and a.attnum > 0
	union
	select y.typbasetype
	from types
	join pg_type as y on y.oid = types.oid
	where y.typbasetype <> 0
),
functions as (
	select p.oid, p.xmin from pg_proc as p where p.pronamespace = 'pgherald'::regnamespace
),
entries (entry) as (
	select format('c %s %s', c.oid, c.xmin)
	from pg_class as c
	where c.oid in (select tree.oid from tree union all select 'pgherald.events'::regclass)
	union all
	select format('a %s %s %s', a.attrelid, a.attnum, a.xmin)
	from pg_attribute as a
	where a.attrelid in (select tree.oid from tree) and a.attnum > 0
	union all
	-- The labels of enums, and of domains over them, are values of filters.
	select format('e %s %s', e.oid, e.xmin) from pg_enum as e where e.enumtypid in (select types.oid from types)
	union all
	select format('i %s %s', i.indexrelid, i.xmin) from pg_index as i where i.indrelid in (select tree.oid from tree)
	union all
	select format('h %s %s %s', i.inhrelid, i.inhseqno, i.xmin)
	from pg_inherits as i
	where i.inhrelid in (select tree.oid from tree)
	union all
	select format('f %s %s', f.oid, f.xmin) from functions as f
	union all
	select format('n %s %s', n.name, n.xmin) from pgherald.specs as n
	union all
	select format('o %s %s', o.name, o.xmin) from pgherald.trigger_functions as o
	union all
	select format('t %s %s %s %s', t.oid, t.xmin, c.relname, c.relnamespace)
	from pg_trigger as t
	join pg_class as c on c.oid = t.tgrelid
	where t.tgfoid in (select f.oid from functions as f)
	union all
	-- An expression over a locked table is not validated.
	select format('l %s', l.relation)
	from pg_locks as l
	where l.mode = 'AccessExclusiveLock' and l.relation in (select tree.oid from tree)
	union all
	select format('s %s %s', s.reset_val, s.source) from pg_settings as s where s.name = 'session_replication_role'
)
select md5(coalesce(string_agg(entries.entry, ',' order by entries.entry), '')) from entries`

func fingerprint(ctx context.Context, tx pgx.Tx, spec Spec) (text string, err error) {
	var schemas, names []string
	for _, t := range spec.Tables {
		schemas, names = append(schemas, t.Name.Schema), append(names, t.Name.Table)
	}
	if err := tx.QueryRow(ctx, fingerprintSQL, schemas, names).Scan(&text); err != nil {
		return "", fmt.Errorf("look for changes of the tables and triggers: %w", err)
	}
	return text, nil
}

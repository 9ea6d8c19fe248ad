package triggers

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// spelling holds the settings on which the spelling of a type's values depends: in JSON, and as text.
type spelling struct {
	json, text needs
}

func (s spelling) ofJSON() needs { return s.json }
func (s spelling) ofText() needs { return s.text }

// builtin returns the spelling of a type of pg_catalog. A test compares each of them under hostile settings.
func builtin(name string) spelling {
	same := func(n needs) spelling { return spelling{n, n} }
	switch name {
	case "bool", "int2", "int4", "int8", "oid", "text", "varchar", "bpchar", "name", "char", "uuid", "numeric",
		"json", "jsonb", "jsonpath", "inet", "cidr", "macaddr", "macaddr8", "bit", "varbit", "time", "xid", "xid8",
		"cid", "tid", "pg_lsn", "pg_snapshot", "txid_snapshot", "tsvector", "tsquery", "int2vector", "oidvector":
		return spelling{}
	case "date", "timestamp": // JSON has ISO 8601 always
		return spelling{text: needDateStyle}
	case "timestamptz":
		return spelling{json: needTimeZone, text: needTimeZone | needDateStyle}
	case "timetz":
		return same(needDateStyle)
	case "interval":
		return same(needIntervalStyle)
	case "float4", "float8", "point", "line", "lseg", "box", "path", "polygon", "circle":
		return same(needFloatDigits)
	case "bytea":
		return same(needBytea)
	case "money":
		return same(needMonetary)
	case "xml":
		return same(needXML | needXMLOption)
	case "regclass", "regcollation", "regconfig", "regdictionary", "regnamespace", "regoper", "regoperator",
		"regproc", "regprocedure", "regrole", "regtype":
		return same(needPath | needIdentifiers)
	}
	return same(needAll)
}

// typeInfo describes a type of a column, or one that such a type consists of.
type typeInfo struct {
	name    string
	kind    string // pg_type.typtype
	builtin bool
	custom  bool // a function of the user's turns its values into JSON or text
	array   bool
	labels  []string // of an enum, in its order
	sqlName string   // with its schema
	parts   []uint32 // element, base type, subtype of a range, or columns
}

// types holds the types of the columns by oid.
type types map[uint32]typeInfo

// isBuiltin reports whether a type is PostgreSQL's own, and so is every type that it consists of.
func (ts types) isBuiltin(oid uint32) bool {
	t, ok := ts[oid]
	return ok && t.builtin && !t.custom && !slices.ContainsFunc(t.parts, func(part uint32) bool { return !ts.isBuiltin(part) })
}

// spelling returns the spelling of a type. A composite type cannot contain itself.
func (ts types) spelling(oid uint32) spelling {
	t, ok := ts[oid]
	if !ok || t.custom {
		return spelling{needAll, needAll}
	}
	var parts spelling
	for _, part := range t.parts {
		s := ts.spelling(part)
		parts.json |= s.json
		parts.text |= s.text
	}
	switch {
	case t.kind == "e":
		return spelling{}
	case t.array || t.kind == "d" || t.kind == "c":
		return parts
	case t.kind == "r": // JSON has the text of a range
		return spelling{parts.text, parts.text}
	case t.builtin && t.kind == "b":
		return builtin(t.name)
	}
	return spelling{needAll, needAll}
}

// typesSQL reads the types of a table's columns, and the types that these consist of.
const typesSQL = `
with recursive closure as (
	select 0::oid as whole, root.oid
	from (
		select a.atttypid
		from pg_attribute as a
		where a.attrelid = any ($1) and a.attnum > 0 and not a.attisdropped
		union all
		select unnest($2::oid[])
	) as root (oid)
	union
	select t.oid, part.oid
	from closure
	join pg_type as t on t.oid = closure.oid
	cross join lateral (
		select t.typelem where t.typcategory = 'A' and t.typlen = -1
		union all
		select t.typbasetype where t.typtype = 'd'
		union all
		select r.rngsubtype from pg_range as r where r.rngtypid = t.oid
		union all
		select a.atttypid from pg_attribute as a
		where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
	) as part (oid)
	where part.oid <> 0
)
select t.oid, t.typname::text, t.typtype::text, s.nspname = 'pg_catalog',
	exists (
		select from pg_cast as c
		where c.castsource = t.oid and c.castfunc >= 16384
			and c.casttarget in ('json'::regtype, 'text'::regtype)
	),
	t.typcategory = 'A' and t.typlen = -1 and t.typelem <> 0,
	array(select part.oid from closure as part where part.whole = t.oid),
	array(select e.enumlabel::text from pg_enum as e where e.enumtypid = t.oid order by e.enumsortorder),
	format_type(t.oid, null)
from (select distinct c.oid from closure as c) as found
join pg_type as t on t.oid = found.oid
join pg_namespace as s on s.oid = t.typnamespace`

// loadTypes reads the types of the columns of tables, and further types.
func loadTypes(ctx context.Context, tx pgx.Tx, tables, more []uint32) (types, error) {
	rows, err := tx.Query(ctx, typesSQL, tables, more)
	if err != nil {
		return nil, fmt.Errorf("look up the types of its columns: %w", err)
	}
	found := types{}
	var id uint32
	var t typeInfo
	_, err = pgx.ForEachRow(rows, []any{&id, &t.name, &t.kind, &t.builtin, &t.custom, &t.array, &t.parts, &t.labels, &t.sqlName}, func() error {
		found[id] = t
		t.parts, t.labels = nil, nil // or the next row would overwrite these slices
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up the types of its columns: %w", err)
	}
	return found, nil
}

var qualifiedPattern = regexp.MustCompile(`("(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_$]*)\s*\.\s*("(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_$]*)`)

// mentions returns the names a.b in the SQL of a table of the spec.
func (t Table) mentions() (first, second []string) {
	texts := make([]string, 0, len(t.Joins))
	for _, j := range t.Joins {
		texts = append(texts, j.SQL)
	}
	for _, op := range t.rowOps() {
		for _, e := range t.events(op) {
			texts = append(texts, e.When, e.Key, e.Audience)
			for _, f := range e.Payload {
				texts = append(texts, f.SQL)
			}
		}
	}
	for _, text := range texts {
		if _, _, plain := plainColumn(text); plain {
			continue
		}
		for rest := text; ; {
			at := qualifiedPattern.FindStringSubmatchIndex(rest)
			if at == nil {
				break
			}
			first = append(first, catalogName(rest[at[2]:at[3]]))
			second = append(second, catalogName(rest[at[4]:at[5]]))
			rest = rest[at[3]:] // b may begin another name, as in a.b.c
		}
	}
	return first, second
}

// catalogName returns an identifier as the catalog spells it.
func catalogName(ident string) string {
	if name, _, err := parseIdent(ident); err == nil {
		return name
	}
	return strings.ToLower(ident)
}

// loadMentioned returns the settings on which the things depend that a table's SQL names: tables by their
// columns, views, functions and types of other schemas by all.
func loadMentioned(ctx context.Context, tx pgx.Tx, t Table) (needs, error) {
	first, second := t.mentions()
	if len(first) == 0 {
		return 0, nil
	}
	rows, err := tx.Query(ctx, `
		select c.oid::bigint, c.relkind in ('r', 'p'), c.relrowsecurity
		from unnest($1::text[], $2::text[]) as name (schema, name)
		join pg_namespace as s on s.nspname = name.schema and s.nspname <> 'pg_catalog'
		join pg_class as c on c.relnamespace = s.oid and c.relname = name.name
		union
		select 0, false, false
		from unnest($1::text[], $2::text[]) as name (schema, name)
		join pg_namespace as s on s.nspname = name.schema and s.nspname <> 'pg_catalog'
		where exists (select from pg_proc as p where p.pronamespace = s.oid and p.proname = name.name)
			or exists (select from pg_type as y where y.typnamespace = s.oid and y.typname = name.name and y.typrelid = 0)`,
		first, second)
	if err != nil {
		return 0, fmt.Errorf("look up what its expressions name: %w", err)
	}
	var found needs
	var tables []uint32
	var oid int64
	var isTable, rowSecurity bool
	_, err = pgx.ForEachRow(rows, []any{&oid, &isTable, &rowSecurity}, func() error {
		if isTable {
			tables = append(tables, uint32(oid))
		} else {
			found = needAll
		}
		if rowSecurity {
			found |= needRowSecurity
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("look up what its expressions name: %w", err)
	}
	for _, table := range tables {
		ts, err := loadTypes(ctx, tx, []uint32{table}, nil)
		if err != nil {
			return 0, err
		}
		for oid := range ts {
			s := ts.spelling(oid)
			found |= s.json | s.text
		}
	}
	return found, nil
}

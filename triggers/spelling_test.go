package triggers_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
)

// samples holds a value of each type whose columns a table can have, and of types made of them.
func samples() map[string]string {
	return map[string]string{
		"aclitem": "'postgres=r/postgres'", "bit": "'1'", "bool": "true", "box": "'(0.1,0.3),(1,3)'",
		"bpchar": "'a  '", "bytea": `'\x00ff5c'`, "char": "'c'", "cid": "'7'", "cidr": "'10.0.0.0/8'",
		"circle": "'<(0.1,0.3),0.7>'", "date": "'2026-02-03'", "float4": "0.1 + 0.2", "float8": "0.1::float8 + 0.2::float8",
		"gtsvector": "null", "inet": "'10.0.0.1/8'", "int2": "1", "int2vector": "'1 2'", "int4": "1", "int8": "9007199254740993",
		"interval": "'1 day 02:03:04'", "json": `'{"a" : 1}'`, "jsonb": `'{"a": [1.10, null]}'`, "jsonpath": `'$.a[*] ? (@ > 1)'`,
		"line": "'{0.1,0.2,0.3}'", "lseg": "'[(0.1,0.3),(1,3)]'", "macaddr": "'08:00:2b:01:02:03'", "macaddr8": "'08:00:2b:01:02:03:04:05'",
		"money": "1234567.89", "name": "'Name'", "numeric": "1.10", "oid": "7", "oidvector": "'1 2'", "path": "'((0.1,0.3),(1,3))'",
		"pg_lsn": "'16/B374D848'", "pg_snapshot": "'10:20:10,14'", "point": "'(0.1,0.3)'", "polygon": "'((0.1,0.3),(1,3),(4,5))'",
		"refcursor": "'c'", "regclass": `'public."Odd"'`, "regcollation": `'pg_catalog."C"'`, "regconfig": "'english'",
		"regdictionary": "'simple'", "regnamespace": "'public'", "regoper": "'pg_catalog.||/'", "regoperator": "'pg_catalog.+(int4,int4)'",
		"regproc": "'public.odd'", "regprocedure": "'public.odd(int4)'", "regrole": "'postgres'", "regtype": `'public."Mood"'`,
		"text": `e'a\\b''"\n'`, "tid": "'(1,2)'", "time": "'04:05:06.7'", "timestamp": "'2026-02-03 04:05:06.7'",
		"timestamptz": "'2026-02-03 04:05:06.7Z'", "timetz": "'04:05:06.7+05:45'", "tsquery": `'a & b:*'`, "tsvector": "'a:1 b:2A'",
		"txid_snapshot": "'10:20:10,14'", "uuid": "'00000000-0000-0000-0000-000000000001'", "varbit": "'101'", "varchar": "'a'",
		"xid": "'7'", "xid8": "'7'", "xml": "'<a>&#228;</a>'",
		"daterange": "'[2026-02-03,2026-03-04)'", "int4range": "'[1,3)'", "int8range": "'[1,3)'", "numrange": "'[1.10,3)'",
		"tsrange": "'[2026-02-03,2026-03-04)'", "tstzrange": "'[2026-02-03Z,2026-03-04Z)'",
		"datemultirange": "'{[2026-02-03,2026-03-04)}'", "int4multirange": "'{[1,3)}'", "int8multirange": "'{[1,3)}'",
		"nummultirange": "'{[1.10,3)}'", "tsmultirange": "'{[2026-02-03,2026-03-04)}'", "tstzmultirange": "'{[2026-02-03Z,2026-03-04Z)}'",
		`public."Mood"`: "'So so'", "public.day": "'2026-02-03'", "public.pair": "row(0.1::float8 + 0.2::float8, '2026-02-03', '2026-02-03Z', '1 day')",
		"timestamptz[]": "array['2026-02-03Z'::timestamptz, null]", "public.pair[]": "array[row(0.1, '2026-02-03', '2026-02-03Z', '1 day')::public.pair]",
		"public.floats": "'[0.1,0.30000000000000004)'", "public.day[]": "array['2026-02-03'::public.day]",
	}
}

const sampleTypes = `
	create type public."Mood" as enum ('So so');
	create domain public.day as date;
	create type public.pair as (f float8, d date, t timestamptz, i interval);
	create type public.floats as range (subtype = float8);
	create table public."Odd" ();
	create function public.odd(int) returns int language sql as 'select 1';`

// hostileSettings holds every setting that changes how a value is spelled or what SQL means.
const hostileSettings = `
	set search_path = pg_temp, evil, pg_catalog;
	set timezone = 'Asia/Kathmandu'; set datestyle = 'German'; set intervalstyle = 'sql_standard';
	set extra_float_digits = -15; set bytea_output = 'escape'; set quote_all_identifiers = on;
	set xmlbinary = 'hex'; set xmloption = 'document'; set array_nulls = off; set timezone_abbreviations = 'India'; set transform_null_equals = on;
	set standard_conforming_strings = off; set backslash_quote = off; set escape_string_warning = off;
	set plpgsql.variable_conflict = 'use_variable'; set plpgsql.extra_errors = 'all'; set row_security = off;
	set check_function_bodies = off; set default_text_search_config = 'evil.nothing'; set lc_time = 'C.UTF-8'`

// shadows gives the schema evil, and the schema of temporary tables, a namesake of all that a function could mean.
const shadows = `
	create schema evil;
	create text search configuration evil.nothing (copy = pg_catalog.simple);
	do $do$
	declare f record;
	begin
		for f in
			select p.proname, p.oid, format_type(p.prorettype, null) as result, p.proretset,
				(
					select string_agg(format_type(a, null), ', ' order by i)
					from unnest(p.proargtypes::oid[]) with ordinality as u (a, i)
				) as args
			from pg_proc as p
			where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f' and p.provariadic = 0
				and p.prorettype not in (select oid from pg_type where typtype = 'p' and typname <> 'void' and typname not like 'any%')
				and not exists (
					select from unnest(p.proargtypes::oid[]) as a join pg_type as t on t.oid = a
					where t.typtype = 'p' and t.typname not like 'any%' and t.typname <> 'record' or t.typname = 'any'
				)
		loop
			begin
				execute format('create function evil.%I(%s) returns %s %s language plpgsql as %L', f.proname, f.args,
					case when f.proretset then 'setof' else '' end, f.result,
					format('begin raise exception %L; end', 'the function ' || f.proname || ' of evil ran'));
			exception when others then null; -- a pseudotype that plpgsql does not know
			end;
		end loop;
		for f in
			select o.oprname as name, o.oid, o.oprleft = 0 as unary, format_type(o.oprresult, null) as result,
				format_type(o.oprleft, null) as l, format_type(o.oprright, null) as r
			from pg_operator as o
			where o.oprnamespace = 'pg_catalog'::regnamespace
		loop
			begin
				execute format('create function evil.op_%s(%s) returns %s language plpgsql as %L', f.oid,
					concat_ws(', ', nullif(f.l, '-'), f.r), f.result,
					format('begin raise exception %L; end', 'the operator ' || f.name || ' of evil ran'));
				execute format('create operator evil.%s (%s rightarg = %s, function = evil.op_%s)', f.name,
					case when not f.unary then 'leftarg = ' || f.l || ',' else '' end, f.r, f.oid);
			exception when others then null;
			end;
		end loop;
		for f in select unnest(array['text', 'json', 'bool', 'regclass', 'record', 'xid8', 'int4']) as name loop
			execute format('create domain evil.%I as pg_catalog.text check (false)', f.name);
		end loop;
	end $do$;
	create function evil.json_build_object(variadic pg_catalog.text[]) returns pg_catalog.json language sql as 'select null::pg_catalog.json';
	create function evil.json_build_array(variadic pg_catalog.text[]) returns pg_catalog.json language sql as 'select null::pg_catalog.json'`

const temporaryShadows = `
	create domain pg_temp.text as pg_catalog.int4; create domain pg_temp.json as pg_catalog.int4;
	create domain pg_temp.bool as pg_catalog.int4; create domain pg_temp.regclass as pg_catalog.int4;
	create temporary table events (a pg_catalog.int4); create temporary table orders (a pg_catalog.int4);
	create temporary table pg_class (a pg_catalog.int4)`

// spellingTables creates a table for each type, and returns the spec that watches them.
func spellingTables(t *testing.T, b *testBed, types []string) string {
	t.Helper()
	var spec strings.Builder
	spec.WriteString("tables:\n")
	for i, typ := range types {
		b.exec(fmt.Sprintf(`create table public.source_%[1]d (id int primary key, v %[2]s);
			insert into public.source_%[1]d values (1, %[3]s);
			create table public.target_%[1]d (id int primary key, v %[2]s)`, i, typ, samples()[typ]))
		fmt.Fprintf(&spec, "  - { name: public.target_%d, on: { insert: created_%d, update: updated, delete: deleted } }\n", i, i)
		if b.one(`select count(*) from pg_opclass where opcdefault and opcintype = $1::regtype
				and opcmethod = (select oid from pg_am where amname = 'btree')`, typ) == "0" || samples()[typ] == "null" {
			continue
		}
		b.exec(fmt.Sprintf(`create table public.key_%[1]d (v %[2]s primary key); create table public.keys_%[1]d (v %[2]s, w %[2]s, primary key (v, w))`, i, typ))
		fmt.Fprintf(&spec, "  - { name: public.key_%d, on: { insert: key_%d, update: updated, delete: deleted }, payload: { v: n.v, one: 1 } }\n", i, i)
		fmt.Fprintf(&spec, "  - { name: public.keys_%d, on: { insert: keys_%d, update: updated, delete: deleted } }\n", i, i)
	}
	return spec.String()
}

// writeSamples writes a value of each of the types, changes it where that is possible, and deletes it.
func writeSamples(t *testing.T, conn *pgx.Conn, b *testBed, types int) {
	t.Helper()
	for i := range types {
		pgtest.Exec(t, conn, fmt.Sprintf(`insert into public.target_%[1]d select * from public.source_%[1]d;
			update public.target_%[1]d set id = 2; update public.target_%[1]d set v = null; delete from public.target_%[1]d`, i))
		if b.one(fmt.Sprintf(`select (to_regclass('public.key_%d') is not null)::text`, i)) == "true" {
			pgtest.Exec(t, conn, fmt.Sprintf(`
				insert into public.key_%[1]d select v from public.source_%[1]d; delete from public.key_%[1]d;
				insert into public.keys_%[1]d select v, v from public.source_%[1]d; delete from public.keys_%[1]d`, i))
		}
	}
}

// Events have the same bytes whatever the writer's settings, and nothing that a writer can create changes what
// a function means, although most functions fix no setting.
func TestSpellingDependsOnNoSetting(t *testing.T) {
	b := open(t, sampleTypes)
	types := slices.Sorted(maps.Keys(samples()))
	types = slices.DeleteFunc(types, func(typ string) bool { return b.one(`select (to_regtype($1) is null)::text`, typ) == "true" })
	b.apply(parse(t, spellingTables(t, b, types)))
	if missing := b.one(`
		select string_agg(t.typname, ' ' order by t.typname)
		from pg_type as t
		where t.typnamespace = 'pg_catalog'::regnamespace and t.typtype in ('b', 'r', 'm') and t.typcategory not in ('A', 'Z')
			and t.typname <> all ($1::text[]) and t.typname not in ('pg_node_tree', 'gtsvector')
			-- The catalog's own types, without input: category Z since PostgreSQL 15.
			and t.typname not in ('pg_brin_bloom_summary', 'pg_brin_minmax_multi_summary', 'pg_dependencies', 'pg_mcv_list', 'pg_ndistinct')`, types); missing != "null" {
		t.Fatalf("types without a sample: %s", missing)
	}
	writeSamples(t, b.conn, b, len(types))
	want := b.events()
	if len(want) < 4*len(types) || strings.Contains(strings.Join(want, "\n"), "collection_reset") {
		t.Fatalf("%d events with the default settings:\n%s", len(want), strings.Join(want, "\n"))
	}
	b.exec(shadows)
	hostile := pgtest.Connect(t, b.url)
	pgtest.Exec(t, hostile, hostileSettings)
	pgtest.Exec(t, hostile, temporaryShadows)
	writeSamples(t, hostile, b, len(types))
	got := b.events()
	if len(got) != len(want) {
		t.Fatalf("%d events with hostile settings, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("with hostile settings\n got %s\nwant %s", got[i], want[i])
		}
	}
}

// Tables of ordinary columns need no SET clause, which costs writers 10 to 20 %.
func TestOrdinaryColumnsNeedNoSetting(t *testing.T) {
	b := watch(t, sampleTypes+`
		create table public.orders (
			id uuid primary key, n bigint, t text, b boolean, j jsonb, m public."Mood", a numeric[], d date, ts timestamp
		);
		create table public.times (id int primary key, at timestamptz, f float8)`, `
tables:
  - { name: public.orders, on: { insert: created, update: updated, delete: deleted } }
  - { name: public.times, on: { insert: time_created } }
`)
	if got := b.one(`select proconfig::text from pg_proc where proname = 'public.orders.row'`); got != "null" {
		t.Errorf("settings of the function: %s", got)
	}
	if got := b.one(`select proconfig::text from pg_proc where proname = 'public.times.row'`); got != "{TimeZone=UTC,extra_float_digits=1}" {
		t.Errorf("settings of the function: %s", got)
	}
}

// An expression has the settings that it may depend on, as far as its text shows.
func TestExpressionsFixTheirSettings(t *testing.T) {
	const (
		few  = "search_path,TimeZone,DateStyle" // of an expression that computes no interval, float or bytea
		base = few + ",IntervalStyle,extra_float_digits,bytea_output"
	)
	for expr, want := range map[string]string{
		"n.id + 1":     base,
		"upper('a')":   few,
		`'a\b' || 'c'`: base + ",standard_conforming_strings",
		"to_char(now() at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS')": few,
		"to_char(n.id, '999D99')":                                    few + ",lc_monetary,lc_numeric",
		"to_char(now(), 'TMMonth')":                                  few + ",lc_time",
		"to_char(n.id, n.status)":                                    few + ",lc_monetary,lc_numeric,lc_time",
		"n.id::money::text":                                          base + ",lc_monetary",
		"'public.orders'::regclass":                                  base + ",quote_all_identifiers",
		"query_to_xml('', true, true, '')::text":                     base + ",xmlbinary,xmloption",
		"(select p.price from public.prices as p limit 1)":           few + ",lc_monetary,row_security",
		"'{a,null}'::text[]":                                         base + ",array_nulls",
		"n.status::text[]":                                           base + ",array_nulls",
		"to_tsvector(n.status) @@ to_tsquery('the')":                 base + ",default_text_search_config",
		"n.status::timestamptz":                                      base + ",timezone_abbreviations",
		"sqrt(n.id)":                                                 base,
		"n.id::float8":                                               base,
		"(select s.f from public.sides as s limit 1)":                few + ",extra_float_digits,row_security",
		"public.odd(1)":                                              "all",
		"(select x.a from public.x as x)":                            "all",
	} {
		b := watch(t, orders+`create table public.prices (price money); create table public.sides (id int primary key, f float8);
			create function public.odd(int) returns int language sql as 'select 1'; create view public.x as select 1 as a`, `
tables:
  - name: public.orders
    on: { insert: created }
    payload: { x: `+fmt.Sprintf("%q", expr)+` }
`)
		got := b.one(`select string_agg(split_part(s, '=', 1), ',') from pg_proc, unnest(proconfig) as s where proname = 'public.orders.row'`)
		if want == "all" && strings.Count(got, ",") != 17 || want != "all" && got != want {
			t.Errorf("settings of %s: %s, want %s", expr, got, want)
		}
	}
}

// The settings that expressions have are enough.
func TestExpressionsDependOnNoSetting(t *testing.T) {
	b := watch(t, `
		create table public.sides (id int primary key, f float8, i interval, b bytea, d date, at timestamptz);
		insert into public.sides values (1, 0.1::float8 + 0.2::float8, '1 day 02:03', '\x00ff', '2026-02-03', '2026-02-03Z');
		create table public.orders (id int primary key, at timestamptz, status text)`, `
tables:
  - name: public.orders
    on: { insert: created, update: updated, delete: deleted }
    audience: array['at:' || n.at, 'f:' || (n.id / 3.0::float8)]
    payload:
      at: to_char(n.at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
      side: select json_build_object('f', s.f, 'i', s.i, 'b', s.b, 'd', s.d, 'at', s.at) from public.sides as s where s.id = n.id
      kind: case when n.status is distinct from o.status then 'status' else 'general' end
      age: "n.at - timestamptz '2026-01-01 00:00Z'"
      text: format('%s %I', n.at, 'select')
`)
	write := func(conn *pgx.Conn) []string {
		pgtest.Exec(t, conn, `insert into public.orders select s.id, s.at, 'a' from public.sides as s;
			update public.orders set status = 'b'; delete from public.orders`)
		return b.events()
	}
	want := write(b.conn)
	b.exec(shadows)
	hostile := pgtest.Connect(t, b.url)
	pgtest.Exec(t, hostile, hostileSettings)
	pgtest.Exec(t, hostile, temporaryShadows)
	if diff := cmp.Diff(want, write(hostile)); diff != "" || len(want) != 3 || strings.Contains(want[0], "collection_reset") {
		t.Errorf("events (-default +hostile):\n%s\n%s", diff, want)
	}
}

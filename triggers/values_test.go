package triggers_test

import (
	"strings"
	"testing"
)

const things = `
	create type public.mood as enum ('sad', 'happy');
	create domain public.positive as int check (value > 0);
	create table public.things (
		id bigint generated always as identity primary key,
		gone int,
		doubled int generated always as (small * 2) stored,
		small public.positive not null default 1,
		feeling public.mood,
		place point,
		doc json,
		docb jsonb,
		big numeric,
		at timestamptz,
		day date,
		tags text[],
		raw bytea,
		ratio float8,
		took interval,
		body text
	);
	alter table public.things drop column gone`

const thingsSpec = `
tables:
  - name: public.things
    on: { insert: created, update: updated, delete: deleted }
`

// Every type of value appears as PostgreSQL formats it in JSON, whatever the writer's settings.
func TestValues(t *testing.T) {
	b := watch(t, things, thingsSpec)
	b.exec(`
		set timezone = 'Asia/Kathmandu'; set datestyle = 'German'; set intervalstyle = 'iso_8601';
		set extra_float_digits = -5; set bytea_output = 'escape'; set standard_conforming_strings = off`)
	b.gives(`
		insert into public.things (feeling, place, doc, docb, big, at, day, tags, raw, ratio, took, body)
		values ('happy', '(1,2)', '{"a" : 1, "a":2}', '{"b":  [1]}', 9007199254740993.10,
			'infinity', '-infinity', array['x', null, 'y"z'], E'\\x00ff', 0.1::float8 + 0.2::float8,
			'1 day 02:00', E'emoji 🦜, quote ", newline \n, tab \t, control \x07, delete \x7f, end')`,
		`created 1 {"id":1,"doubled":2,"small":1,"feeling":"happy","place":"(1,2)","doc":{"a" : 1, "a":2},`+
			`"docb":{"b": [1]},"big":9007199254740993.10,"at":"infinity","day":"-infinity",`+
			`"tags":["x",null,"y\"z"],"raw":"\\x00ff","ratio":0.30000000000000004,"took":"1 day 02:00:00",`+
			`"body":"emoji 🦜, quote \", newline \n, tab \t, control \u0007, delete `+"\x7f"+`, end"}`)
	b.gives(`update public.things set at = '2026-01-02 03:04:05.678901Z', ratio = 'NaN', place = null, doc = null,
			docb = null, tags = '{}', raw = null, body = null`,
		`updated 1 {"id":1,"doubled":2,"small":1,"feeling":"happy","place":null,"doc":null,"docb":null,`+
			`"big":9007199254740993.10,"at":"2026-01-02T03:04:05.678901+00:00","day":"-infinity","tags":[],`+
			`"raw":null,"ratio":"NaN","took":"1 day 02:00:00","body":null}`)
	b.gives(`update public.things set doc = doc, place = place`)
}

// Updates of types without an equality operator are compared correctly.
func TestChangesWithoutEquality(t *testing.T) {
	b := watch(t, things, strings.Replace(thingsSpec, "on:", "payload: { doc: n.doc, place: n.place }\n    on:", 1))
	b.exec(`insert into public.things (doc, place) values ('{"a":1}', '(1,2)')`)
	b.events()
	b.gives(`update public.things set doc = '{"a":1}', place = '(1,2)'`)
	b.gives(`update public.things set doc = '{"a": 1}'`, `updated 1 {"doc":{"a": 1},"place":"(1,2)"}`)
	b.gives(`update public.things set place = '(1,3)'`, `updated 1 {"doc":{"a": 1},"place":"(1,3)"}`)
}

func TestLargeText(t *testing.T) {
	b := watch(t, things, thingsSpec)
	b.exec(`insert into public.things (body) values (repeat('🦜', 262144))`)
	b.exec(`update public.things set small = 2`)
	if got := b.one(`
		select string_agg(octet_length(data ->> 'body')::text, ' ' order by id) from pgherald.events`); got != "1048576 1048576" {
		t.Errorf("bytes of the bodies in the log: %s", got)
	}
	b.events()
	b.gives(`update public.things set body = repeat('🦜', 262144)`)
}

func TestKeysAreSpelledTheSame(t *testing.T) {
	b := watch(t, `create table public.days (at timestamptz, day date, primary key (at, day));
		create table public.spans (t interval primary key)`, `
tables:
  - { name: public.days, on: { insert: day }, payload: { x: 1 } }
  - { name: public.spans, on: { insert: span }, payload: { x: "true", y: null::int } }
`)
	b.exec(`set timezone = 'America/New_York'; set datestyle = 'SQL, DMY'; set intervalstyle = 'sql_standard'`)
	b.gives(`insert into public.days values ('2026-02-03 00:00:00Z', '04/02/2026')`,
		`day ["2026-02-03T00:00:00+00:00", "2026-02-04"] {"x":1}`)
	b.gives(`insert into public.spans values ('1 2:03:04')`, `span 1 day 02:03:04 {"x":true,"y":null}`)
}

// PostgreSQL 18 computes virtual generated columns on reading, so transition tables lack them. Apply refuses
// a spec that reads one. A virtual column added later must not make writes fail.
func TestVirtualColumns(t *testing.T) {
	atLeast(t, 18)
	const double = `double int generated always as (v * 2) virtual`
	b := open(t, `create table public.virt (id int primary key, v int, `+double+`)`)
	b.refuses(`tables: [{ name: public.virt, on: { insert: created } }]`,
		"table public.virt, on insert created, payload: a trigger cannot read the virtual generated column double")
	b.refuses(`tables: [{ name: public.virt, on: { insert: created }, payload: { d: n.double } }]`,
		`table public.virt, on insert created, payload field "d": column n.double does not exist`)
	spec := `
tables:
  - { name: public.virt, on: { insert: created, update: updated, delete: deleted }, payload: { v: n.v, o: o.v } }`
	b.apply(parse(t, spec))
	b.gives(`insert into public.virt (id, v) values (1, 2)`, `created 1 {"v":2,"o":null}`)
	b.gives(`update public.virt set v = 3`, `updated 1 {"v":3,"o":2}`)
	b.exec(`update public.virt set id = 2`)
	b.wantsAnyOrder(`created 2 {"v":3,"o":null}`, `deleted 1 {"v":3,"o":3}`)
}

func TestVirtualColumnThatComesLater(t *testing.T) {
	atLeast(t, 18)
	b := watch(t, `create table public.virt (id int primary key, v int)`, `
tables:
  - { name: public.virt, on: { insert: created, update: updated, delete: deleted, truncate: as-deletes } }`)
	b.exec(`alter table public.virt add column double int generated always as (v * 2) virtual`)
	b.gives(`insert into public.virt (id, v) values (1, 2)`, `created 1 {"id":1,"v":2,"double":null}`)
	b.gives(`update public.virt set v = 3`, `updated 1 {"id":1,"v":3,"double":null}`)
	b.gives(`delete from public.virt`, `deleted 1 {"id":1,"v":3,"double":null}`)
}

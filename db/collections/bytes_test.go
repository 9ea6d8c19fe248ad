package collections_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/db/collections"
	"github.com/pgherald/pgherald/stream/listing"
	"github.com/pgherald/pgherald/triggers"
)

// everythingDDL makes a table with a column of many types, and values whose text depends on settings.
const everythingDDL = `
create type public.mood as enum ('sad', 'Happy "1"');
create type public.pair as (x float8, y timestamptz);
create domain public.small as int check (value < 100);
create type public.odd as enum ('z');
create function public.odd_json(public.odd) returns json language sql as $$ select '{"cast": true}'::json $$;
create cast (public.odd as json) with function public.odd_json(public.odd);
create table public.everything (
    id int primary key, a smallint, b bigint, c numeric, d real, e float8, f money, g text, h varchar(10), i char(5), j bytea,
    k timestamp, l timestamptz, m date, n time, o timetz, p interval, q bool, r uuid, s json, t jsonb, u xml, v inet, w macaddr,
    x bit(3), y int[], z text[], aa timestamptz[], ab public.mood, ac public.pair, ad public.small, ae int4range, af tstzrange,
    ag point, ah tsvector, ai public.odd, aj regclass, ak name, al oid, am "char", "An Odd ""Name""" text, ao float8[], ap pg_lsn,
    aq int generated always as (id * 2) stored
);`

const everythingSQL = `
insert into public.everything values (
    1, -5, 9007199254740993, 1.50, 0.1, 1e-7, '$1,234.50', E'tab\t"quoted" \\ é 😀\n', 'short', 'ab', '\x00ff',
    '2026-01-02 03:04:05.678', '2026-06-02 03:04:05+02', '2026-01-02', '03:04', '03:04+02', '1 year 2 days 03:04:05', true,
    '00000000-0000-0000-0000-000000000001', E'{"a" :\n  1,\r "b": [null]}', '{"b": 1, "a": 1.0}', '<a>x</a>', '10.0.0.1/8', '08:00:2b:01:02:03',
    '101', '{1,null,3}', '{"a,b",null}', '{2026-06-02 03:04:05+02}', 'Happy "1"', row(0.1, '2026-06-02 03:04:05+02'), 99, '[1,5)',
    '[2026-06-02 03:04:05+02,)', '(1.5,2)', 'a fat cat', 'z', 'public.everything', 'n', 7, 'c', '', '{0.1,NaN}', '16/B374D848'
);
insert into public.everything (id) values (2)`

// TestRowsAreTheDataOfEvents compares rows with the data of the events that the trigger wrote, under settings of the writer
// that give other texts.
func TestRowsAreTheDataOfEvents(t *testing.T) {
	for name, spec := range map[string]string{
		"all columns":    `tables: [{name: public.everything, collection: everything, on: {insert: a, update: b, delete: c}}]`,
		"bigint as text": `tables: [{name: public.everything, bigint: text, collection: everything, on: {insert: a, update: b, delete: c}}]`,
		"expressions": `tables: [{name: public.everything, collection: everything, on: {insert: a, update: b, delete: c},
			payload: {id: n.id, sum: n.c + n.e, time: n.l, text: "n.p::text || n.l", cast: n.ai, sub: "(select row(n.y, n.l) as r)", "Any \"name\"": n.f}}]`,
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, everythingDDL)
			k.apply(spec)
			k.exec(`set TimeZone = 'Asia/Tokyo'; set DateStyle = 'German'; set IntervalStyle = 'iso_8601'; set extra_float_digits = -3; set bytea_output = 'escape';` + everythingSQL)
			k.exec(`do $$ declare setting text; begin
				foreach setting in array array['TimeZone = ''Asia/Tokyo''', 'DateStyle = German', 'IntervalStyle = iso_8601', 'quote_all_identifiers = on',
					'xmlbinary = hex', 'bytea_output = escape', 'extra_float_digits = -5', 'array_nulls = off'] loop
					execute format('alter database %I set %s', current_database(), setting);
				end loop; end $$`)
			l := k.lists(smallOptions, k.installed(spec)...)
			p := page(t, l, "everything", listing.Query{Limit: 5})
			for i, row := range p.Rows {
				// A frame of a stream is one line.
				want := strings.NewReplacer("\n", " ", "\r", " ").Replace(k.one(`select data::text from pgherald.events where key = $1`, fmt.Sprint(i+1)))
				if string(row) != want {
					t.Errorf("the row is\n%s\nits event has\n%s", row, want)
				}
				r, err := l.Row(t.Context(), "everything", fmt.Sprint(i+1), nil)
				if err != nil || string(r.Data) != want {
					t.Errorf("the row by its key is\n%s\nits event has\n%s\n%v", r.Data, want, err)
				}
			}
			if len(p.Rows) != 2 {
				t.Errorf("%d rows", len(p.Rows))
			}
		})
	}
}

// installed returns the sources of a spec that was applied.
func (k *kit) installed(spec string) []collections.Source {
	k.Helper()
	parsed, err := triggers.Parse([]byte(spec))
	if err != nil {
		k.Fatal(err)
	}
	var notes []triggers.Note
	found, err := triggers.Collections(k.Context(), k.conn, parsed, triggers.Notes(&notes))
	if err != nil {
		k.Fatal(err)
	}
	if len(notes) > 0 {
		k.Errorf("not served: %v", notes)
	}
	var sources []collections.Source
	for _, s := range found {
		one := collections.Source{Collection: s.Collection, From: s.From, KeySQL: s.KeySQL, Audience: s.Audience}
		if !s.IsWholeRow {
			one.RowSQL = s.RowSQL()
		}
		sources = append(sources, one)
	}
	return sources
}

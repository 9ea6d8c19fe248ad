package collections_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream/collection"
)

// thingsDDL makes a table with nulls and many equal values in every column but the key.
const thingsDDL = `
create type public.mood as enum ('happy', 'sad', 'ok');
create domain public.amount as numeric check (value > -1000);
create table public.things (
    a int, b text not null, c timestamptz, d numeric, e uuid, f bool, g date not null, h public.mood, i public.amount,
    k1 text, k2 int, primary key (k1, k2)
);
create index on public.things (a);
create index on public.things (b, a desc);
insert into public.things
select
    nullif(i % 5, 0), (array['x', 'Y', 'é', ''])[1 + i % 4],
    (array['-infinity', '2026-01-01Z', '2026-01-01 00:00:00.000001Z', '0044-03-15 BC', 'infinity', null])[1 + i % 6]::timestamptz,
    (array['1.0', '1.00', 'NaN', '-3', '1e20', null])[1 + i % 6]::numeric,
    case when i % 3 > 0 then ('00000000-0000-0000-0000-00000000000' || i % 4)::uuid end, (array[true, false, null])[1 + i % 3],
    (array['2026-01-01', 'infinity', '0001-01-01 BC'])[1 + i % 3]::date, (array['sad', 'happy', null])[1 + i % 3]::public.mood, i % 3,
    (array['k', 'K', 'ß', 'a/b'])[1 + i % 4], i
from generate_series(1, 97) as i`

// TestPagesEqualOneSelect reads lists with random orders and filters, page by page, and compares them with PostgreSQL's
// answer to one big query.
func TestPagesEqualOneSelect(t *testing.T) {
	k := newKit(t, thingsDDL)
	fields := []collection.Field{
		field("a", collection.Integer, true), field("b", collection.Text, false), field("c", collection.Timestamptz, true),
		field("d", collection.Numeric, true), field("e", collection.UUID, true), field("f", collection.Boolean, true),
		field("g", collection.Date, false), field("h", collection.Enum, true), field("i", collection.Numeric, true),
		field("k2", collection.Integer, false),
	}
	fields[7].Labels, fields[7].SQLType = []string{"happy", "sad", "ok"}, "public.mood"
	s := source("things", "k1,k2", fields...)
	l := k.lists(smallOptions, s)
	conditions := []string{
		"where.a=gt.2", "where.b=in.(x,Y)", "where.f=is.null", "where.d=neq.1", "where.h=sad", "any=(a.eq.1,c.is.null)",
		"where.c=gte.2026-01-01T00:00:00Z", "where.g=lt.2026-01-01", "where.k2=lte.50", "where.e=not.is.null", "where.i=1",
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range 150 {
		order := randomOrder(random, fields)
		var params []string
		for range random.IntN(3) {
			params = append(params, conditions[random.IntN(len(conditions))])
		}
		q := query(t, &s.Collection, strings.Join(append(params, "order="+strings.Join(order, ",")), "&"))
		q.Limit = 1 + random.IntN(40)
		got := keys(t, l, "things", q)
		p := &collection.Params{Name: func(k int) string { return fmt.Sprintf("($1::text[])[%d]", k) }}
		want := selectKeys(k, "select json_build_array(n.k1, n.k2)::text from public.things as n where "+
			q.Where.SQL(p)+" and $1::text[] is not null order by "+strings.Join(append(orderSQL(order), tieBreakers(order)...), ", "), append([]string{}, p.Values...))
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: %v order %v, pages of %d:\n%v\nwant\n%v", seed, params, order, q.Limit, got, want)
		}
	}
}

func randomOrder(random *rand.Rand, fields []collection.Field) (order []string) {
	for _, i := range random.Perm(len(fields))[:random.IntN(4)] {
		order = append(order, fields[i].Name+[]string{"", ".asc", ".desc"}[random.IntN(3)])
	}
	return order
}

func orderSQL(order []string) []string {
	list := make([]string, len(order))
	for i, term := range order {
		name, direction, _ := strings.Cut(term, ".")
		list[i] = "n." + name + " " + direction
	}
	return list
}

func tieBreakers(order []string) []string {
	direction := ""
	if len(order) > 0 && strings.HasSuffix(order[len(order)-1], ".desc") {
		direction = " desc"
	}
	return []string{"n.k1" + direction, "n.k2" + direction}
}

func selectKeys(k *kit, sql string, args ...any) []string {
	k.Helper()
	rows, err := k.conn.Query(k.Context(), sql, append([]any{pgx.QueryExecModeExec}, args...)...)
	if err != nil {
		k.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		k.Fatalf("%s: %v", sql, err)
	}
	return list
}

// Pages follow each other while rows before and after the position come and go.
func TestPagesWhileRowsChange(t *testing.T) {
	k := newKit(t, ordersDDL)
	s := orders()
	l := k.lists(smallOptions, s)
	q := query(t, &s.Collection, "order=customer")
	q.Limit = 7
	seen := map[string]int{}
	for i := 0; ; i++ {
		p := page(t, l, "orders", q)
		for _, key := range p.Keys {
			seen[key]++
		}
		if q.After = p.Next; q.After == "" {
			break
		}
		k.exec(`insert into public.orders (id, status, customer) values ($1, 'x', -1)`, -1-i)
		k.exec(`delete from public.orders where id = $1::text::bigint`, p.Keys[len(p.Keys)-1])
	}
	for id := 1; id <= 40; id++ {
		if n := seen[fmt.Sprint(id)]; n != 1 {
			t.Errorf("row %d came %d times", id, n)
		}
	}
}

// Keys of any type order and identify rows.
func TestKeysOfManyTypes(t *testing.T) {
	types := map[string][]string{
		"int2": {"-1", "7"}, "numeric": {"1.50", "NaN", "-3"}, "float8": {"0.1", "1e+20", "NaN", "-Infinity"}, "bpchar(5)": {"a", "b"},
		"varchar(3)": {"abc", "é"}, "bytea": {`\x00ff`, `\x`}, "date": {"0044-03-15 BC", "infinity"}, "timestamptz": {"2026-01-01 00:00:00.5+00"},
		"interval": {"1 mon", "31 days"}, "uuid": {"00000000-0000-0000-0000-000000000001"}, "inet": {"10.0.0.0/8", "::1"}, "bool": {"t", "f"},
		"int[]": {"{1,2}", "{}"}, "int4range": {"[1,5)", "empty"}, "public.pair": {"(1,a)", `(2,"b ""c""")`}, "public.color": {"red", "blue"},
		"public.short": {"a", "ß"}, "public.citext": {"Go", "rust"}, `"char"`: {"a", "z"}, "name": {"x"}, "money": {"$1.50", "-$2.00"}, "bit varying(4)": {"101", "0"}, "jsonb": {`{"a": 1}`, "[]"},
	}
	k := newKit(t, `create extension citext schema public; create type public.color as enum ('red', 'blue');
		create type public.pair as (a int, b text); create domain public.short as varchar(2) collate "C" check (value <> 'x')`)
	for typ, values := range types {
		t.Run(typ, func(t *testing.T) {
			k.exec(`drop table if exists public.t; create table public.t (id ` + typ + ` primary key, v int)`)
			for _, v := range values {
				k.exec(`insert into public.t values ($1::text::`+typ+`, 1)`, v)
			}
			s := source("t", "id", field("v", collection.Integer, true))
			l := k.lists(smallOptions, s)
			q := query(t, &s.Collection, "order=v")
			q.Limit = 1
			stored := selectKeys(k, `select n.id::text from public.t as n`)
			if got := keys(t, l, "t", q); !slices.Equal(sorted(got), sorted(stored)) {
				t.Errorf("pages of one: %q, want %q", got, stored)
			}
			for _, key := range stored {
				r, err := l.Row(t.Context(), "t", key, nil)
				if err != nil || string(r.Data) != `{"v":1}` {
					t.Errorf("row %s: %s, %v", key, r.Data, err)
					continue
				}
				r.Release()
			}
			if _, err := l.Row(t.Context(), "t", "no such key \x01", nil); err == nil {
				t.Error("a row without its key was found")
			}
		})
	}
}

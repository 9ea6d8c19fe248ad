package collections_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/db/collections"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/listing"
)

const ordersDDL = `
create table public.orders (
    id bigint primary key, status text not null, total numeric, customer int not null, created_at timestamptz not null default '2026-01-01Z'
);
insert into public.orders (id, status, total, customer)
select i, case when i % 3 = 0 then 'open' else 'paid' end, case when i % 5 > 0 then i % 7 end, i % 4
from generate_series(1, 40) as i`

func orders() collections.Source {
	return source("orders", "id", field("id", collection.Integer, false), field("status", collection.Text, false),
		field("total", collection.Numeric, true), field("customer", collection.Integer, false),
		collection.Field{Name: "created_at"})
}

func TestPage(t *testing.T) {
	k := newKit(t, ordersDDL)
	s := orders()
	l := k.lists(smallOptions, s)
	q := query(t, &s.Collection, "where.status=open&order=customer.desc&count=exact")
	q.Limit = 2
	p := page(t, l, "orders", q)
	const want = `{"id":39,"status":"open","total":4,"customer":3,"created_at":"2026-01-01T00:00:00+00:00"}
{"id":27,"status":"open","total":6,"customer":3,"created_at":"2026-01-01T00:00:00+00:00"}`
	if got := texts(p.Rows); got != want || strings.Join(p.Keys, " ") != "39 27" || *p.Count != 13 || p.Next == "" || p.Oversized != nil {
		t.Errorf("the page is %s\n%+v", got, p)
	}
	q.After = p.Next
	if p := page(t, l, "orders", q); strings.Join(p.Keys, " ") != "15 3" {
		t.Errorf("the second page has %v", p.Keys)
	}
	if got := keys(t, l, "orders", q); len(got) != 11 {
		t.Errorf("the other pages have %v", got)
	}
}

// The cursor is that of the rows' snapshot, not one of before or after.
func TestCursorOfAPage(t *testing.T) {
	k := newKit(t, ordersDDL)
	s := orders()
	l := k.lists(smallOptions, s)
	before := page(t, l, "orders", query(t, &s.Collection, "")).Cursor
	k.apply(`tables: [{name: public.orders, on: {insert: order_created, update: order_updated, delete: order_deleted}}]`)
	k.exec(`insert into public.orders (id, status, customer) values (99, 'new', 1)`)
	p := page(t, l, "orders", query(t, &s.Collection, "where.status=new"))
	if p.Cursor.String() == before.String() || len(p.Rows) != 1 {
		t.Errorf("after a write, the cursor is %s, as before", p.Cursor)
	}
	if again := page(t, l, "orders", query(t, &s.Collection, "")).Cursor; again.Next() != p.Cursor.Next() {
		t.Errorf("without a write, the cursor went from %d to %d", p.Cursor.Next(), again.Next())
	}
}

func TestRow(t *testing.T) {
	k := newKit(t, ordersDDL+`;
		create table public.lines ("order" int, pos text, at date, primary key ("order", pos, at));
		insert into public.lines values (7, 'a"b', '2026-01-02'), (7, 'ü/%', 'infinity');
		create table public.labels (name text primary key);
		insert into public.labels values ('a/b'), ('50%'), ('ü'), (''), (' 7')`)
	lines := source("lines", `"order",pos,at`, field("order", collection.Integer, false))
	lines.Key = []string{"order", "pos", "at"}
	l := k.lists(smallOptions, orders(), lines, source("labels", "name", field("name", collection.Text, false)))
	for _, c := range []struct{ collection, key, want string }{
		{"orders", "7", `{"id":7,"status":"paid","total":0,"customer":3,"created_at":"2026-01-01T00:00:00+00:00"}`},
		{"orders", "007", ""}, {"orders", " 7", ""}, {"orders", "7.0", ""}, {"orders", "x", ""}, {"orders", "", ""},
		{"orders", "99999999999999999999", ""}, {"orders", "41", ""}, {"orders", "7; drop table orders", ""},
		{"labels", "a/b", `{"name":"a/b"}`}, {"labels", "50%", `{"name":"50%"}`}, {"labels", "ü", `{"name":"ü"}`},
		{"labels", "", `{"name":""}`}, {"labels", " 7", `{"name":" 7"}`}, {"labels", "7", ""},
		{"lines", `[7, "a\"b", "2026-01-02"]`, `{"order":7}`}, {"lines", `[7, "ü/%", "infinity"]`, `{"order":7}`},
		{"lines", `[7,"a\"b","2026-01-02"]`, ""}, {"lines", `[7, "a\"b"]`, ""}, {"lines", `[7, null, "2026-01-02"]`, ""},
		{"lines", `[7, "a\"b", "2026-13-02"]`, ""}, {"lines", `[7, "a\"b", "2026-01-02"] `, ""}, {"lines", `[7, "a\"b", "2026-01-02"]]`, ""},
		{"lines", `[7, ["a"], "2026-01-02"]`, ""}, {"lines", "7", ""}, {"lines", "[", ""}, {"lines", "", ""},
	} {
		r, err := l.Row(t.Context(), c.collection, c.key, nil)
		var e *listing.Error
		if c.want == "" {
			if !errors.As(err, &e) || e.Kind != listing.NoRow {
				t.Errorf("%s %q: got %s, %v", c.collection, c.key, r.Data, err)
			}
			continue
		}
		if err != nil || string(r.Data) != c.want || r.Cursor.String() == "" {
			t.Errorf("%s %q: got %s, %v", c.collection, c.key, r.Data, err)
			continue
		}
		r.Release()
	}
}

func TestUnknownCollection(t *testing.T) {
	l := newKit(t, "select").lists(smallOptions)
	var e *listing.Error
	if _, err := l.Page(t.Context(), "x", listing.Query{Limit: 1}); !errors.As(err, &e) || e.Kind != listing.Unknown {
		t.Error(err)
	}
	if _, err := l.Row(t.Context(), "x", "1", nil); !errors.As(err, &e) || e.Kind != listing.Unknown {
		t.Error(err)
	}
}

// The same rule as in a stream: no tags mean no client, * means all, and bytes decide.
func TestAudience(t *testing.T) {
	k := newKit(t, `
		create table public.notes (id int primary key, readers text[], owner text);
		insert into public.notes values (1, '{ann}', 'x'), (2, '{*}', 'x'), (3, null, 'ann'), (4, '{}', 'x'), (5, '{null,bob}', 'x'),
			(6, '{ann,bob}', 'x'), (7, '{ANN}', 'x'), (8, '{ann,*}', 'x')`)
	for _, audience := range []string{"n.readers", "(select n.readers)", "coalesce(n.readers, '{}') -- of a row"} {
		s := source("notes", "id", field("id", collection.Integer, false))
		s.Audience = audience
		l := k.lists(smallOptions, s)
		for grants, want := range map[string]string{
			"": "2 8", "grant=ann": "1 2 6 8", "grant=bob": "2 5 6 8", "grant=ann&grant=bob": "1 2 5 6 8", "grant=*": "2 8", "grant=null": "2 8",
			`grant={"`: "2 8", `grant="`: "2 8", `grant=\`: "2 8", "grant=ann,bob": "2 8",
		} {
			q := query(t, &s.Collection, grants+"&count=exact")
			p := page(t, l, "notes", q)
			if got := strings.Join(p.Keys, " "); got != want || int(*p.Count) != len(p.Keys) {
				t.Errorf("%s, %s: got %s, want %s, count %d", audience, grants, got, want, *p.Count)
			}
			for id := 1; id <= 8; id++ {
				r, err := l.Row(t.Context(), "notes", strconv.Itoa(id), q.Grants)
				if err == nil {
					r.Release()
				}
				if audible := strings.Contains(" "+want+" ", " "+strconv.Itoa(id)+" "); audible != (err == nil) {
					t.Errorf("%s, %s: row %d: %v", audience, grants, id, err)
				}
			}
		}
	}
}

// Joins may repeat a row.
func TestJoins(t *testing.T) {
	k := newKit(t, `
		create table public.orders (id int primary key);
		create table public.notes (order_id int, text text);
		insert into public.orders select generate_series(1, 5);
		insert into public.notes values (1, 'a'), (1, 'b'), (1, 'c'), (3, 'd')`)
	s := source("orders", "id", field("id", collection.Integer, false))
	s.From += "\nleft join public.notes as m on m.order_id = n.id"
	s.RowSQL += ",\n    m.text as note"
	l := k.lists(smallOptions, s)
	for _, limit := range []int{1, 2, 5, 50} {
		q := query(t, &s.Collection, "count=exact")
		q.Limit = limit
		if got := strings.Join(keys(t, l, "orders", q), " "); got != "1 2 3 4 5" {
			t.Errorf("pages of %d: %s", limit, got)
		}
		if count := page(t, l, "orders", q).Count; *count != 5 {
			t.Errorf("count is %d", *count)
		}
	}
}

func TestPartitionsAndChildren(t *testing.T) {
	k := newKit(t, `
		create table public.parts (id int primary key) partition by range (id);
		create table public.low partition of public.parts for values from (0) to (10);
		create table public.high partition of public.parts for values from (10) to (20);
		insert into public.parts values (1), (11);
		create table public.parents (id int primary key);
		create table public.children () inherits (public.parents);
		insert into public.parents values (1); insert into public.children values (2)`)
	id := field("id", collection.Integer, false)
	l := k.lists(smallOptions, source("parts", "id", id), source("parents", "id", id))
	for name, want := range map[string]string{"parts": "1 11", "parents": "1 2"} {
		if got := strings.Join(page(t, l, name, listing.Query{Limit: 5}).Keys, " "); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A table that inherits from another one belongs to its list, unless the spec watches it as a table of its own.
func TestChildrenWithEventsOfTheirOwn(t *testing.T) {
	k := newKit(t, `
		create table public.parents (id int primary key);
		create table public.children (primary key (id)) inherits (public.parents);
		create table public.others (primary key (id)) inherits (public.parents);
		create table public.grandchildren (primary key (id)) inherits (public.others);
		insert into public.parents values (1); insert into public.children values (2);
		insert into public.others values (3); insert into public.grandchildren values (4)`)
	const spec = `tables:
  - {name: public.parents, collection: parents, filter: [id], on: {insert: a, update: b, delete: c}}
  - {name: public.others, collection: others, filter: [id], on: {insert: d, update: e, delete: f}}
  - {name: public.grandchildren, collection: grandchildren, filter: [id], on: {insert: g, update: h, delete: i}}`
	k.apply(spec)
	l := k.lists(smallOptions, k.installed(spec)...)
	for name, want := range map[string]string{"parents": "1 2", "others": "3", "grandchildren": "4"} {
		p := page(t, l, name, listing.Query{Limit: 5, Count: true})
		if got := strings.Join(p.Keys, " "); got != want || int(*p.Count) != len(p.Keys) {
			t.Errorf("%s: %s, count %d, want %s", name, got, *p.Count, want)
		}
	}
	var e *listing.Error
	if _, err := l.Row(t.Context(), "parents", "3", nil); !errors.As(err, &e) || e.Kind != listing.NoRow {
		t.Errorf("a row of another list: %v", err)
	}
}

// Positions belong to a list: collection, filter and order.
func TestPositionsOfOtherLists(t *testing.T) {
	k := newKit(t, ordersDDL)
	s := orders()
	other := orders()
	other.Name = "others"
	l := k.lists(smallOptions, s, other)
	read := func(name, text, after string) error {
		q := query(t, &s.Collection, text)
		q.Limit, q.After = 3, after
		p, err := l.Page(context.Background(), name, q)
		if err == nil {
			p.Release()
		}
		return err
	}
	q := query(t, &s.Collection, "where.status=open&order=total.desc")
	q.Limit = 3
	next := page(t, l, "orders", q).Next
	if err := read("orders", "where.status=open&order=total.desc", next); err != nil {
		t.Error(err)
	}
	changed := []byte(next)
	changed[len(changed)-3] ^= 1
	for _, c := range [][3]string{
		{"others", "where.status=open&order=total.desc", next}, {"orders", "where.status=paid&order=total.desc", next},
		{"orders", "where.status=open&order=total", next}, {"orders", "where.status=open", next},
		{"orders", "where.status=open&order=total.desc", string(changed)}, {"orders", "where.status=open&order=total.desc", next + "A"},
		{"orders", "", "x"}, {"orders", "", "AAAAAAAAAAAAAAAA"}, {"orders", "", "="}, {"orders", "", next + "\n"}, {"orders", "", strings.Repeat("A", 5000)},
	} {
		var e *listing.Error
		if err := read(c[0], c[1], c[2]); !errors.As(err, &e) || e.Kind != listing.BadPosition {
			t.Errorf("%v: %v", c, err)
		}
	}
}

package collections_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/db/collections"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/listing"
)

// Pages are the same with the bounds of pgherald.list_rows and without them, and so are those at which a list changes from
// one to the other.
func TestFastPages(t *testing.T) {
	k := newKit(t, `
		create table public.notes (id int primary key, text text not null);
		insert into public.notes select i, repeat('x', case i when 30 then 70000 when 60 then 3000000 else 2000 end) from generate_series(1, 90) as i`)
	s := source("notes", "id", field("id", collection.Integer, false), collection.Field{Name: "text"})
	opts := collections.Options{PageBytes: 100_000, Bytes: 8 << 20}
	pages := func(l *collections.Lists) (all []listing.Page) {
		q := query(t, &s.Collection, "count=exact")
		for {
			p := page(t, l, "notes", q)
			p.Release = nil
			all = append(all, p)
			if q.After = p.Next; q.After == "" {
				return all
			}
		}
	}
	l := k.lists(opts, s)
	fast := pages(l)   // until row 30
	within := pages(l) // all
	if n := l.Careful("notes"); n == 0 || n == collections.CarefulPages {
		t.Errorf("%d pages are read within bounds", n)
	}
	if len(fast) != len(within) || len(fast) < 3 {
		t.Fatalf("%d and %d pages", len(fast), len(within))
	}
	for i, p := range fast {
		if texts(p.Rows) != texts(within[i].Rows) || p.Next != within[i].Next || len(p.Oversized) != len(within[i].Oversized) || *p.Count != 90 {
			t.Errorf("page %d has %d and %d rows, %d and %d oversized", i, len(p.Rows), len(within[i].Rows), len(p.Oversized), len(within[i].Oversized))
		}
	}
}

// A list that PostgreSQL cannot read without bounds, because its rows take too much time, disk or memory, is read within
// bounds from then on, and longer each time.
func TestFastPagesThatFail(t *testing.T) {
	// The loop that bounds the rows has a cursor.
	k := newKit(t, `
		create table public.notes (id int primary key, text text not null);
		create function public.costly(code text) returns text language plpgsql stable as $$
		begin
			if not exists (select from pg_catalog.pg_cursors as c where c.name like '<unnamed portal%') then
				raise exception using errcode = code, message = 'too much';
			end if;
			return code;
		end
		$$;
		insert into public.notes values (1, '00000')`)
	s := source("notes", "id", field("id", collection.Integer, false), collection.Field{Name: "text"})
	s.RowSQL = strings.Replace(s.RowSQL, `n."text" as`, `public.costly(n.text) as`, 1)
	read := func(l *collections.Lists) error {
		p, err := l.Page(t.Context(), "notes", query(t, &s.Collection, ""))
		if err == nil {
			p.Release()
		}
		return err
	}
	for code, isAnswered := range map[string]bool{"53400": true, "57014": false, "53100": false, "53200": false} {
		t.Run(code, func(t *testing.T) {
			k.exec(`update public.notes set text = $1`, code)
			l := k.lists(smallOptions, s)
			for _, pages := range []int{collections.CarefulPages, 2 * collections.CarefulPages} {
				if err := read(l); (err == nil) != isAnswered {
					t.Errorf("the first page: %v", err)
				}
				if n := l.Careful("notes"); n != pages {
					t.Fatalf("%d pages are read within bounds, want %d", n, pages)
				}
				for i := range pages {
					if err := read(l); err != nil {
						t.Fatalf("a page within bounds: %v", err)
					}
					if i > 0 && code != "53400" {
						return // one code is enough for the second time
					}
				}
			}
		})
	}
	k.exec(`update public.notes set text = '22012'`)
	l := k.lists(smallOptions, s)
	var broken *listing.Error
	if err := read(l); !errors.As(err, &broken) || l.Careful("notes") != 0 {
		t.Errorf("another error: %v, %d pages within bounds", err, l.Careful("notes"))
	}
}

// A list whose rows need a larger temporary file than PostgreSQL allows is answered.
func TestTempFileLimit(t *testing.T) {
	k := newKit(t, `
		create table public.notes (id int primary key, text text not null);
		insert into public.notes select i, repeat('x', 60000) from generate_series(1, 100) as i`)
	k.exec(`do $$ begin
		execute format('alter database %I set temp_file_limit = 1024', current_database());
		execute format('alter database %I set work_mem = 64', current_database());
	end $$`)
	s := source("notes", "id", field("id", collection.Integer, false), collection.Field{Name: "text"})
	l := k.lists(collections.Options{PageBytes: 500_000, Bytes: 8 << 20}, s)
	p := page(t, l, "notes", query(t, &s.Collection, ""))
	if len(p.Rows) != 8 || p.Next == "" || l.Careful("notes") != collections.CarefulPages {
		t.Errorf("%d rows, next %q, %d pages within bounds", len(p.Rows), p.Next, l.Careful("notes"))
	}
}

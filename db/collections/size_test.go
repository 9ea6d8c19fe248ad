package collections_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/db/collections"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/listing"
)

func documents(k *kit) collections.Source {
	k.exec(`create table public.documents (id int primary key, body text)`)
	return source("documents", "id", field("id", collection.Integer, false), field("body", collection.Text, true))
}

// A row that is too large for a page comes without its data, and by its key with them.
func TestOversizedRows(t *testing.T) {
	k := newKit(t, "select")
	s := documents(k)
	k.exec(`insert into public.documents values (1, 'small'), (2, repeat('x', 2000)), (3, 'small'), (4, repeat('y', 50000))`)
	l := k.lists(collections.Options{PageBytes: 1000, Bytes: 10_000}, s)
	p := page(t, l, "documents", query(t, &s.Collection, "count=exact"))
	if got := texts(p.Rows); got != `{"id":1,"body":"small"}`+"\n\n"+`{"id":3,"body":"small"}`+"\n" ||
		strings.Join(p.Keys, " ") != "1 2 3 4" || strings.Join(p.Oversized, " ") != "2 4" || p.Next != "" || *p.Count != 4 {
		t.Errorf("got %s\n%+v", got, p)
	}
	r, err := l.Row(t.Context(), "documents", "2", nil)
	if err != nil || len(r.Data) < 2000 {
		t.Fatalf("row 2 has %d bytes, %v", len(r.Data), err)
	}
	r.Release()
	var e *listing.Error
	if _, err := l.Row(t.Context(), "documents", "4", nil); !errors.As(err, &e) || e.Kind != listing.TooLarge || e.Bytes < 50000 {
		t.Errorf("row 4: %v", err)
	}
}

// A page ends before its rows exceed the bound, and the next one goes on there.
func TestPagesAreBounded(t *testing.T) {
	k := newKit(t, "select")
	s := documents(k)
	k.exec(`insert into public.documents select i, repeat('x', 300) from generate_series(1, 20) as i`)
	l := k.lists(collections.Options{PageBytes: 1000, Bytes: 2000}, s)
	q := query(t, &s.Collection, "")
	if p := page(t, l, "documents", q); strings.Join(p.Keys, " ") != "1 2 3" || p.Next == "" {
		t.Errorf("the page has %v", p.Keys)
	}
	if got := keys(t, l, "documents", q); len(got) != 20 {
		t.Errorf("all pages have %v", got)
	}
}

// The pages of all requests share a bound, and give it back.
func TestMemoryOfLists(t *testing.T) {
	k := newKit(t, "select")
	s := documents(k)
	k.exec(`insert into public.documents select i, repeat('x', 90) from generate_series(1, 20) as i`)
	l := k.lists(collections.Options{PageBytes: 1000, Bytes: 2500}, s)
	var open []listing.Page
	var e *listing.Error
	for {
		p, err := l.Page(t.Context(), "documents", query(t, &s.Collection, ""))
		if err != nil {
			if !errors.As(err, &e) || e.Kind != listing.NoMemory {
				t.Fatal(err)
			}
			break
		}
		open = append(open, p)
	}
	if len(open) != 2 {
		t.Errorf("%d pages at the same time", len(open))
	}
	if _, err := l.Row(t.Context(), "documents", "1", nil); !errors.As(err, &e) || e.Kind != listing.NoMemory {
		t.Errorf("a row: %v", err)
	}
	for _, p := range open {
		p.Release()
		p.Release()
	}
	for range 5 {
		page(t, l, "documents", query(t, &s.Collection, ""))
	}
}

// Values of the order that do not fit into a URL end the pages with an error, not with a wrong page.
func TestLongPosition(t *testing.T) {
	k := newKit(t, "select")
	s := documents(k)
	k.exec(`insert into public.documents select i, repeat('x', 5000) || i from generate_series(1, 3) as i`)
	l := k.lists(smallOptions, s)
	q := query(t, &s.Collection, "order=body")
	q.Limit = 2
	var e *listing.Error
	if _, err := l.Page(t.Context(), "documents", q); !errors.As(err, &e) || e.Kind != listing.LongPosition || e.Key != "2" {
		t.Error(err)
	}
	q.Limit = 3
	page(t, l, "documents", q)
}

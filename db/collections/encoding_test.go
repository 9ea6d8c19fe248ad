package collections_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/listing"
)

// In a database with another encoding, a character that it lacks is in no row.
func TestOtherEncodings(t *testing.T) {
	k := newKitOn(t, pgtest.EncodedDatabase(t, "WIN1252"), `set client_encoding = utf8`)
	k.exec(`create table public.names (id text primary key, name text); insert into public.names values ('€', 'é')`)
	s := source("names", "id", field("id", collection.Text, false), field("name", collection.Text, true))
	l := k.lists(smallOptions, s)
	p := page(t, l, "names", query(t, &s.Collection, "where.name=é&order=name"))
	if got := texts(p.Rows); got != `{"id":"€","name":"é"}` {
		t.Errorf("got %s", got)
	}
	if r, err := l.Row(t.Context(), "names", "€", nil); err != nil || string(r.Data) != `{"id":"€","name":"é"}` {
		t.Errorf("got %s, %v", r.Data, err)
	} else {
		r.Release()
	}
	var e *listing.Error
	if _, err := l.Page(t.Context(), "names", query(t, &s.Collection, "where.name=ł")); !errors.As(err, &e) || e.Kind != listing.BadValue {
		t.Errorf("a filter with a character that the encoding lacks: %v", err)
	}
	if _, err := l.Row(t.Context(), "names", "ł", nil); !errors.As(err, &e) || e.Kind != listing.NoRow {
		t.Errorf("a key with a character that the encoding lacks: %v", err)
	}
}

// Of a row that PostgreSQL cannot send, a page has the key; the other rows come as always, on every page.
func TestUnreadableRows(t *testing.T) {
	for encoding, bad := range map[string]string{"WIN1252": `chr(129)`, "SQL_ASCII": `convert_from('\xc3'::bytea, 'SQL_ASCII')`} {
		t.Run(encoding, func(t *testing.T) {
			k := newKitOn(t, pgtest.EncodedDatabase(t, encoding), `create table public.names (id int primary key, name text)`)
			k.exec(`insert into public.names select i, case when i % 5 = 0 then ` + bad + ` else 'x' || i end from generate_series(1, 23) as i`)
			s := source("names", "id", field("id", collection.Integer, false), field("name", collection.Text, true))
			l := k.lists(smallOptions, s)
			var rows, unreadable []string
			q := query(t, &s.Collection, "count=exact")
			for q.Limit = 4; ; {
				p := page(t, l, "names", q)
				for i, key := range p.Keys {
					if isBad := slices.Contains(p.Unreadable, key); isBad != (p.Rows[i] == nil) || !isBad && string(p.Rows[i]) != `{"id":`+key+`,"name":"x`+key+`"}` {
						t.Errorf("row %s is %s", key, p.Rows[i])
					}
				}
				if *p.Count != 23 || len(p.Keys) > 4 {
					t.Errorf("%d rows of %d", len(p.Keys), *p.Count)
				}
				rows, unreadable = append(rows, p.Keys...), append(unreadable, p.Unreadable...)
				if q.After = p.Next; p.Next == "" {
					break
				}
			}
			if len(rows) != 23 || strings.Join(unreadable, " ") != "5 10 15 20" {
				t.Errorf("rows %s, unreadable %s", rows, unreadable)
			}
			var e *listing.Error
			if _, err := l.Row(t.Context(), "names", "5", nil); !errors.As(err, &e) || e.Kind != listing.Unreadable {
				t.Errorf("an unreadable row: %v", err)
			}
			e = nil
			if _, err := l.Page(t.Context(), "names", query(t, &s.Collection, "order=name")); !errors.As(err, &e) || e.Kind != listing.Unreadable || e.Key != "" {
				t.Errorf("a list whose order has unreadable values: %v", err)
			}
			e = nil
			if _, err := l.Page(t.Context(), "names", query(t, &s.Collection, "order=name&where.id=gt.3&where.name=neq.y")); !errors.As(err, &e) || e.Kind != listing.Unreadable {
				t.Errorf("the same list with a filter, whose values are right: %v", err)
			}
			if r, err := l.Row(t.Context(), "names", "6", nil); err != nil {
				t.Error(err)
			} else {
				r.Release()
			}
		})
	}
}

// Joins may repeat the rows of a page so often that it has fewer of them than its limit: others follow all the same.
func TestUnreadableRowsThatJoinsRepeat(t *testing.T) {
	k := newKitOn(t, pgtest.EncodedDatabase(t, "WIN1252"), `
		create table public.names (id int primary key, name text);
		create table public.notes (name_id int);
		insert into public.notes select i from generate_series(1, 9) as i, generate_series(1, 3)`)
	k.exec(`insert into public.names select i, case when i % 2 = 0 then chr(129) else 'x' end from generate_series(1, 9) as i`)
	s := source("names", "id", field("id", collection.Integer, false), field("name", collection.Text, true))
	s.From += "\nleft join public.notes as m on m.name_id = n.id"
	l := k.lists(smallOptions, s)
	for _, limit := range []int{1, 2, 4, 50} {
		q := query(t, &s.Collection, "")
		q.Limit = limit
		if got := strings.Join(keys(t, l, "names", q), " "); got != "1 2 3 4 5 6 7 8 9" {
			t.Errorf("pages of %d: %s", limit, got)
		}
	}
}

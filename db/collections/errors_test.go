package collections_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/collections"
	"github.com/pgherald/pgherald/stream/listing"
)

// What an operator can do about a list that fails is in its error.
func TestErrorsOfLists(t *testing.T) {
	for name, c := range map[string]struct {
		sql, params string
		kind        listing.Kind
		want        string
	}{
		"no right on the table": {`revoke select on public.orders from pgherald_writer`, "", listing.NoRight,
			`run pgherald apply, or as the owner of the table: grant usage on schema "public" to pgherald_writer; grant select on table "public"."orders" to pgherald_writer`},
		"no right on the function": {`revoke execute on function pgherald.list_rows from SERVER`, "", listing.NoRight, "grant execute on function pgherald.list_rows"},
		"no function":              {`drop function pgherald.list_rows`, "", listing.Changed, "run pgherald migrate up"},
		"dropped table":            {`drop table public.orders`, "", listing.Changed, "table public.orders has changed: run pgherald apply"},
		"renamed table":            {`alter table public.orders rename to bookings`, "", listing.Changed, "run pgherald apply"},
		"dropped column":           {`alter table public.orders drop column status`, "", listing.Changed, "run pgherald apply"},
		"renamed column":           {`alter table public.orders rename status to state`, "", listing.Changed, "run pgherald apply"},
		"dropped key":              {`alter table public.orders drop column id`, "", listing.Changed, "run pgherald apply"},
		"other type":               {`alter table public.orders alter status type bytea using status::bytea`, "where.status=open", listing.Changed, "run pgherald apply"},
		"failing expression":       {`update public.orders set total = 0 where id = 7`, "", listing.Broken, "division by zero"},
		"policies": {`alter table public.orders enable row level security; alter role pgherald_writer nobypassrls`, "", listing.NoRight,
			"alter role pgherald_writer bypassrls"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, ordersDDL+`; update public.orders set total = 1`)
			server, serverURL := k.server()
			k.exec(`grant select on public.orders to pgherald_writer`)
			s := orders()
			s.RowSQL += `, 1 / n.total as part`
			l := k.listsOf(serverURL, smallOptions, s)
			q := query(t, &s.Collection, c.params)
			page(t, l, "orders", q)
			k.exec(strings.ReplaceAll(c.sql, "SERVER", server))
			defer k.exec(`alter role pgherald_writer bypassrls`)
			var e *listing.Error
			_, err := l.Page(t.Context(), "orders", q)
			if !errors.As(err, &e) || e.Kind != c.kind || !strings.Contains(err.Error(), c.want) {
				t.Errorf("a page: %v", err)
			}
			_, err = l.Row(t.Context(), "orders", "7", nil)
			if name != "other type" && (!errors.As(err, &e) || e.Kind != c.kind || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("a row: %v", err)
			}
		})
	}
}

// A list or a count that takes too long says which of them it was.
func TestSlowLists(t *testing.T) {
	t.Parallel() // mostly waits
	k := newKit(t, ordersDDL+`;
		create function public.slow(bigint) returns text[] language sql as $$ select array['*'] from pg_sleep(case when $1 = 30 then 60 else 0 end) $$`)
	s := orders()
	s.Audience = "public.slow(n.id)"
	k.lists(smallOptions, s) // grants
	database := pgx.Identifier{k.conn.Config().Database}.Sanitize()
	// So that a short page reads few rows.
	k.exec(`alter database ` + database + ` set enable_sort = off; alter database ` + database + ` set jit = off`)
	pool, err := db.OpenPool(t.Context(), k.url, db.PoolOptions{Name: "test", Size: 1, Timeout: 4 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	l, err := collections.New(t.Context(), pool, k.log, []collections.Source{s}, smallOptions)
	if err != nil {
		t.Fatal(err)
	}
	q := query(t, &s.Collection, "")
	var e *listing.Error
	if _, err := l.Page(t.Context(), "orders", q); !errors.As(err, &e) || e.Kind != listing.SlowList {
		t.Errorf("a slow list: %v", err)
	}
	q.Limit = 5
	page(t, l, "orders", q)
	q.Count = true
	if _, err := l.Page(t.Context(), "orders", q); !errors.As(err, &e) || e.Kind != listing.SlowCount {
		t.Errorf("a slow count: %v", err)
	}
}

// A value that PostgreSQL cannot read is the client's fault; what a row's expression raises is not.
func TestUnreadableValues(t *testing.T) {
	k := newKit(t, thingsDDL)
	s := source("things", "k1,k2", field("h", "enum", true), field("a", "integer", true))
	s.Fields[0].Labels, s.Fields[0].SQLType = []string{"sad", "gone"}, "public.mood"
	l := k.lists(smallOptions, s)
	var e *listing.Error
	if _, err := l.Page(t.Context(), "things", query(t, &s.Collection, "where.h=gone")); !errors.As(err, &e) || e.Kind != listing.BadValue {
		t.Errorf("a label that is gone: %v", err)
	}
}

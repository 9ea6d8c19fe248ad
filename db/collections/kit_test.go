package collections_test

import (
	"context"
	"math"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/collections"
	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/listing"
	"github.com/pgherald/pgherald/triggers"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, func(ctx context.Context, url string) error { return migrations.Up(ctx, url, migrations.Engine()) })
}

// kit is a fresh database, with a connection of a superuser and the server's parts that read it.
type kit struct {
	testing.TB
	url  string
	conn *pgx.Conn
	log  *eventlog.Log
}

func newKit(t testing.TB, ddl string) *kit {
	t.Helper()
	return newKitOn(t, pgtest.NewDatabase(t), ddl)
}

func newKitOn(t testing.TB, databaseURL, ddl string) *kit {
	t.Helper()
	k := &kit{TB: t, url: databaseURL}
	k.conn = pgtest.Connect(t, k.url)
	k.exec(ddl)
	pool, err := db.OpenLogPool(t.Context(), k.url, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	k.log = eventlog.New(pool, eventlog.Options{})
	if _, err := k.log.Tail(t.Context(), 1, 1<<20); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *kit) exec(sql string, args ...any) {
	k.Helper()
	pgtest.Exec(k.TB, k.conn, sql, args...)
}

// one returns the text of one value.
func (k *kit) one(sql string, args ...any) (text string) {
	k.Helper()
	if err := k.conn.QueryRow(context.Background(), sql, args...).Scan(&text); err != nil {
		k.Fatalf("%s: %v", sql, err)
	}
	return text
}

func (k *kit) apply(spec string) {
	k.Helper()
	parsed, err := triggers.Parse([]byte(spec))
	if err != nil {
		k.Fatal(err)
	}
	if _, err := triggers.Apply(k.Context(), k.conn, parsed); err != nil {
		k.Fatal(err)
	}
}

var smallOptions = collections.Options{PageBytes: 4 << 20, Bytes: 32 << 20}

// lists returns the lists of the sources, and lets pgherald_writer read public.
func (k *kit) lists(opts collections.Options, sources ...collections.Source) *collections.Lists {
	k.Helper()
	k.exec(`grant usage on schema public to pgherald_writer; grant select on all tables in schema public to pgherald_writer`)
	return k.listsOf(k.url, opts, sources...)
}

func (k *kit) listsOf(url string, opts collections.Options, sources ...collections.Source) *collections.Lists {
	k.Helper()
	pool, err := db.OpenPool(k.Context(), url, db.PoolOptions{Name: "test", Size: 1, Timeout: time.Minute})
	if err != nil {
		k.Fatal(err)
	}
	k.Cleanup(pool.Close)
	l, err := collections.New(k.Context(), pool, k.log, sources, opts)
	if err != nil {
		k.Fatal(err)
	}
	return l
}

// source describes a table of public, all of whose columns are members and filter fields of the given kinds.
func source(table, key string, fields ...collection.Field) collections.Source {
	s := collections.Source{From: "public." + table + " as n", KeySQL: "n." + key + "::pg_catalog.text"}
	s.Collection = collection.Collection{Name: table, Table: "public." + table, Key: strings.Split(key, ","), Fields: fields}
	members := make([]string, len(fields))
	for i, f := range fields {
		column := pgx.Identifier{f.Name}.Sanitize()
		members[i] = "n." + column + " as " + column
		s.Fields[i].Column = f.Name
	}
	s.RowSQL = "select\n    " + strings.Join(members, ",\n    ")
	if len(s.Key) > 1 {
		s.KeySQL = "pg_catalog.json_build_array(n." + strings.Join(s.Key, ", n.") + ")::pg_catalog.text"
	}
	return s
}

func field(name string, kind collection.Kind, nullable bool) collection.Field {
	return collection.Field{Name: name, Filter: kind, Nullable: nullable}
}

// query parses a query string.
func query(t testing.TB, c *collection.Collection, text string) listing.Query {
	t.Helper()
	params, err := url.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	q := listing.Query{Limit: 50, After: params.Get("after"), Count: params.Has("count"), Grants: params["grant"]}
	if q.Order, err = collection.ParseOrder(c, params.Get("order")); err != nil {
		t.Fatal(err)
	}
	for name := range params {
		if !collection.IsParam(name) {
			delete(params, name)
		}
	}
	if q.Where, err = collection.Parse(c, params); err != nil {
		t.Fatal(err)
	}
	return q
}

// page reads a page, and releases it.
func page(t testing.TB, l *collections.Lists, name string, q listing.Query) listing.Page {
	t.Helper()
	p, err := l.Page(t.Context(), name, q)
	if err != nil {
		t.Fatal(err)
	}
	p.Release()
	return p
}

// keys reads all pages, and returns the keys.
func keys(t testing.TB, l *collections.Lists, name string, q listing.Query) (all []string) {
	t.Helper()
	for range math.MaxInt16 {
		p := page(t, l, name, q)
		all = append(all, p.Keys...)
		if p.Next == "" {
			return all
		}
		if len(p.Keys) == 0 {
			t.Fatal("an empty page has a next one")
		}
		q.After = p.Next
	}
	t.Fatal("the pages have no end")
	return nil
}

func texts(rows [][]byte) string {
	all := make([]string, 0, len(rows))
	for _, r := range rows {
		all = append(all, string(r))
	}
	return strings.Join(all, "\n")
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

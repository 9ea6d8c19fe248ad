package collection_test

import (
	"math"
	"net/url"
	"testing"

	"github.com/pgherald/pgherald/stream/collection"
)

func orders() *collection.Collection {
	return &collection.Collection{Name: "orders", Table: "public.orders", Key: []string{"id"}, Fields: []collection.Field{
		{Name: "id", Type: "bigint", Filter: collection.Integer, Column: "id"},
		{Name: "note", Type: "text"},
		{Name: "status", Type: "text", Nullable: true, Filter: collection.Text, Column: "order status"},
		{Name: "total", Type: "integer", Nullable: true, Filter: collection.Integer, Column: "total"},
	}}
}

func parse(t testing.TB, query string) *collection.Where {
	t.Helper()
	params, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	w, err := collection.Parse(orders(), params)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestMatch(t *testing.T) {
	const row = `{"id" : 7, "note": {"a":[1,"}"]}, "status":"o\u0070en", "total":null}`
	for query, want := range map[string]bool{
		"":                                       true,
		"where.status=open":                      true,
		"where.status=eq.open&where.id=gt.6":     true,
		"where.status=neq.open":                  false,
		"where.status=not.in.(a,%22b,c%22)":      true,
		"where.total=eq.1":                       false,
		"where.total=neq.1":                      false,
		"where.total=is.null":                    true,
		"where.total=not.in.()":                  true,
		"any=(total.gt.1,id.lte.7)":              true,
		"any=(total.gt.1,and(id.gt.6,id.lt.7))":  false,
		"any=(not.or(status.eq.paid,id.in.(8)))": true,
	} {
		w := parse(t, query)
		if got := w.Match(orders().ParseRow([]byte(row), math.MaxUint64)); got != want {
			t.Errorf("%s: %v", query, got)
		}
		if again := parse(t, w.Canonical()); again.Canonical() != w.Canonical() {
			t.Errorf("%s: %s, then %s", query, w.Canonical(), again.Canonical())
		}
	}
}

func TestSQL(t *testing.T) {
	p := &collection.Params{}
	got := parse(t, "where.status=in.(a,b)&where.id=neq.1&any=(total.gt.5,total.is.null)").SQL(p)
	want := `n."id" <> $1::pg_catalog.int8 and (n."total" > $2::pg_catalog.int8 or n."total" is null) and n."order status" = any($3::pg_catalog.text[])`
	if got != want {
		t.Error(got)
	}
}

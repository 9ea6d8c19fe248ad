package collections_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/api"
	apicollections "github.com/pgherald/pgherald/api/collections"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/listing"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// fakeLists implements apicollections.Lists.
type fakeLists struct {
	page     listing.Page
	row      listing.Row
	err      error
	name     string
	key      string
	query    listing.Query
	released atomic.Int32
}

func (f *fakeLists) Page(_ context.Context, name string, q listing.Query) (listing.Page, error) {
	f.name, f.query = name, q
	p := f.page
	p.Release = func() { f.released.Add(1) }
	return p, f.err
}

func (f *fakeLists) Row(_ context.Context, name, key string, grants []string) (listing.Row, error) {
	f.name, f.key, f.query = name, key, listing.Query{Grants: grants}
	r := f.row
	r.Release = func() { f.released.Add(1) }
	return r, f.err
}

// server is an API with the collections of a set, whose rows are those of lists.
type server struct {
	*testing.T
	lists *fakeLists
	url   string
	log   *bytes.Buffer
	set   *collection.Set
	// settle lets a request wait that names something unknown; nil does not.
	settle func() error
}

func newServer(t *testing.T, names ...string) *server {
	t.Helper()
	var all []collection.Collection
	for _, name := range names {
		all = append(all, collection.Collection{
			Name: name, Table: "public." + name, Key: []string{"id"}, Types: map[string]collection.Op{name + "_created": collection.OpInsert},
			Fields: []collection.Field{
				{Name: "id", Type: "bigint", Filter: collection.Integer, Column: "id"},
				{Name: "status", Type: "public.mood", Nullable: true, Filter: collection.Enum, Column: "status", SQLType: "public.mood", Labels: []string{"open", "paid"}},
				{Name: "tags", Type: "text[]", Nullable: true},
			},
		})
	}
	set, err := collection.NewSet(all)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{T: t, lists: &fakeLists{}, log: &bytes.Buffer{}}
	s.set = set
	settle := func(context.Context) error {
		if s.settle == nil {
			return nil
		}
		return s.settle()
	}
	logger := slog.New(slog.NewTextHandler(s.log, nil))
	feed := stream.NewFeed(streamtest.NewLog("test"), stream.FeedOptions{})
	if err := feed.Fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	a, err := api.New(api.Config{Feed: feed, Ready: feed.Err, Logger: logger}, api.Routes(apicollections.New(set, s.lists, apicollections.Options{Settle: settle, Logger: logger}).Routes()))
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(a.Handler())
	t.Cleanup(func() {
		web.Close()
		a.Close()
	})
	s.url = web.URL
	return s
}

func (s *server) get(path string) (status int, header http.Header, body string) {
	s.Helper()
	return s.do(http.MethodGet, path)
}

func (s *server) do(method, path string) (status int, header http.Header, body string) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, s.url+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

func (s *server) wants(path string, status int, want string) {
	s.Helper()
	if got, _, body := s.get(path); got != status || !strings.Contains(body, want) {
		s.Errorf("GET %s: %d %s, want %d with %q", path, got, body, status, want)
	}
}

func TestListOfCollections(t *testing.T) {
	s := newServer(t, "orders", "clients")
	status, header, body := s.get("/api/collections")
	const want = `{"collections":[{"name":"clients","table":"public.clients","key":["id"],"types":{"clients_created":"insert"},` +
		`"fields":[{"name":"id","type":"bigint","nullable":false},{"name":"status","type":"public.mood","nullable":true},{"name":"tags","type":"text[]","nullable":true}],` +
		`"filter":[{"name":"id","kind":"integer","operators":["eq","neq","gt","gte","lt","lte","in","is"]},` +
		`{"name":"status","kind":"enum","operators":["eq","neq","in","is"],"labels":["open","paid"]}]},{"name":"orders"`
	if status != 200 || !strings.HasPrefix(body, want) || header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v\n%s", status, header, body)
	}
	if _, _, body := newServer(t).get("/api/collections"); body != `{"collections":[]}`+"\n" {
		t.Errorf("without collections: %s", body)
	}
}

func TestPage(t *testing.T) {
	s := newServer(t, "orders")
	count := int64(7)
	s.lists.page = listing.Page{
		Rows: [][]byte{[]byte(`{"id":1}`), nil}, Keys: []string{"1", `"<`}, Oversized: []string{`"<`},
		Cursor: stream.NewCursor("test", 5, []uint64{3}), Next: "abc", Count: &count,
	}
	status, header, body := s.get("/api/collections/orders?where.status=in.(open,paid)&any=(id.eq.1,id.gt.5)&order=id.desc&limit=2&count=exact&after=xyz")
	cursor := s.lists.page.Cursor.String()
	want := `{"rows":[{"id":1},null],"keys":["1","\"\u003c"],"oversized":["\"\u003c"],"cursor":"` + cursor + `","snapshot":"3:5:3","next":"abc","count":7}` + "\n"
	if status != 200 || body != want || header.Get("Pgherald-Cursor") != cursor || header.Get("Cache-Control") != "no-store" || header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %v\n%s\nwant\n%s", status, header, body, want)
	}
	q := s.lists.query
	if s.lists.name != "orders" || q.Limit != 2 || !q.Count || q.After != "xyz" || q.Order.SQL() != `n."id" desc` ||
		q.Where.Canonical() == "" || s.lists.released.Load() != 1 {
		t.Errorf("the query is %+v, released %d", q, s.lists.released.Load())
	}
	s.lists.page = listing.Page{Cursor: s.lists.page.Cursor}
	if _, _, body := s.get("/api/collections/orders"); body != `{"rows":[],"keys":[],"cursor":"`+cursor+`","snapshot":"3:5:3","next":null}`+"\n" || s.lists.query.Limit != 50 {
		t.Errorf("an empty page is %s, limit %d", body, s.lists.query.Limit)
	}
	if status, header, body := s.do(http.MethodHead, "/api/collections/orders"); status != 200 || body != "" || header.Get("Pgherald-Cursor") != cursor {
		t.Errorf("HEAD: %d %v %s", status, header, body)
	}
}

func TestKeysInPaths(t *testing.T) {
	s := newServer(t, "orders")
	s.lists.row = listing.Row{Data: []byte(`{"id":1}`), Cursor: stream.NewCursor("test", 5, nil)}
	for path, key := range map[string]string{
		"7": "7", "a/b": "a/b", "a%2Fb": "a/b", "a//b": "a//b", "..": "..", "../x": "../x", "%2e%2e%2fx": "../x", "./": "./", "50%25": "50%", "%C3%BC": "ü",
		"": "", "a%0Ab": "a\nb", "%5B7,%202%5D": "[7, 2]", "%5B7,%20%22a%5C%22%22%5D": `[7, "a\""]`, "a+b": "a+b", "a;b": "a;b", "a%3Fb%23c": "a?b#c", "%F0%9F%98%80": "😀",
	} {
		s.lists.key = "none"
		status, header, body := s.get("/api/collections/orders/" + path)
		if status != 200 || body != `{"id":1}`+"\n" || s.lists.key != key || header.Get("Pgherald-Cursor") == "" || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s, key %q, want %q", path, status, body, s.lists.key, key)
		}
	}
	s.lists.key = "none"
	for _, path := range []string{"%00", "a%00b", "%FF", "%C3"} {
		s.wants("/api/collections/orders/"+path, 404, "no row with this key")
	}
	if s.lists.key != "none" {
		t.Errorf("the key %q reached the database", s.lists.key)
	}
	s.wants("/api/collections/orders/7?where.id=1", 400, "there are none here")
	s.wants("/api/collections/orders/7?key=7", 400, "there are none here")
}

// A browser resolves .. in a path, also as %2e%2e.
func TestKeyAsParameter(t *testing.T) {
	s := newServer(t, "orders")
	s.lists.row = listing.Row{Data: []byte(`{"id":1}`), Cursor: stream.NewCursor("test", 5, nil)}
	for query, key := range map[string]string{"..": "..", ".": ".", "": "", "a/b": "a/b", "%5B7,%202%5D": "[7, 2]", "a+b": "a b", "50%25": "50%"} {
		s.lists.key = "none"
		if status, _, body := s.get("/api/collections/orders?key=" + query); status != 200 || body != `{"id":1}`+"\n" || s.lists.key != key {
			t.Errorf("%s: %d %s, key %q, want %q", query, status, body, s.lists.key, key)
		}
	}
	s.wants("/api/collections/orders?key=1&key=2", 400, "given twice")
	s.wants("/api/collections/orders?key=1&limit=2", 400, "limit is unknown: use key")
	s.wants("/api/collections/orders?key=%FF", 400, "UTF-8")
	s.wants("/api/collections/order?key=1", 404, "there are orders")
}

func TestRequestsThatNameNothing(t *testing.T) {
	s := newServer(t, "orders", "clients")
	for path, want := range map[string]string{
		"/api/collections/order":                             `there is no collection \"order\": there are clients, orders`,
		"/api/collections/":                                  `there is no collection \"\": there are clients, orders`,
		"/api/collections/order/7":                           `there are clients, orders`,
		"/api/collections/%FF":                               "there are clients, orders",
		"/api/collections/" + strings.Repeat("x", 5000):      "xxx…",
		"/api/collections/orders%2F7":                        `no collection \"orders/7\"`,
		"/api/collections/" + strings.Repeat("%22%0A", 3000): "there are clients",
	} {
		s.wants(path, 404, want)
	}
	for query, want := range map[string]string{
		"status=open":                      "parameter status is unknown: use limit, after, order, count, any, where.FIELD",
		"where.tags=x":                     "the filter fields of orders are id, status",
		"where.nope=x":                     "the filter fields of orders are id, status",
		"where.status=gt.open":             "eq, neq, in, is",
		"where.status=shut":                "open, paid",
		"where.id=x":                       "where.id",
		"any=x":                            "any",
		"order=nope":                       "the filter fields of orders are id, status",
		"order=id,id":                      "twice",
		"order=id&order=id":                "given twice",
		"limit=0":                          "from 1 to 500",
		"limit=501":                        "from 1 to 500",
		"limit=1&limit=2":                  "given twice",
		"count=yes":                        "must be exact",
		"count=":                           "must be exact",
		"after=":                           "earlier page",
		"after=a&after=b":                  "given twice",
		"where.id=%00":                     "U+0000",
		"where.status=%FF":                 "UTF-8",
		"%zz":                              "malformed",
		strings.Repeat("where.id=1&", 150): "too often",
	} {
		s.wants("/api/collections/orders?"+query, 400, want)
	}
	s.wants("/api/collections?x=1", 400, "x is unknown")
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		if status, header, _ := s.do(method, "/api/collections/orders/7"); status != 405 || header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d, Allow %s", method, status, header.Get("Allow"))
		}
	}
}

// A client that names what the server does not know gets the final answer only after a look at the database.
func TestNamesThatMayBeNew(t *testing.T) {
	s := newServer(t, "orders")
	s.lists.page = listing.Page{Cursor: stream.NewCursor("test", 5, nil)}
	s.lists.row = listing.Row{Data: []byte(`{"id":1}`), Cursor: s.lists.page.Cursor}
	looks := 0
	s.settle = func() error { looks++; return errors.New("it has not looked yet") }
	paths := []string{"/api/collections/items", "/api/collections/items/7", "/api/collections/orders?where.place=x", "/api/collections/orders?order=place", "/api/collections/orders?where.status=gone"}
	for _, path := range paths {
		status, header, body := s.get(path)
		if status != 503 || header.Get("Retry-After") != "2" || !strings.Contains(body, `"code":"undecided"`) || !strings.Contains(body, "it has not looked yet") {
			t.Errorf("GET %s: %d %v %s", path, status, header, body)
		}
	}
	s.wants("/api/collections/orders?limit=0", 400, "from 1 to 500")
	s.wants("/api/collections/orders?where.id=x", 400, "where.id")
	if looks != len(paths) {
		t.Errorf("%d looks for %d unknown names", looks, len(paths))
	}
	s.settle = func() error {
		s.set.Grow([]collection.Collection{{Name: "items", Table: "public.items", Key: []string{"id"}}})
		return nil
	}
	s.wants("/api/collections/items", 200, "rows")
	s.wants("/api/collections/sales", 404, "there are items, orders")
}

// A collection that the server must not show ends no client.
func TestWithheldCollection(t *testing.T) {
	s := newServer(t, "orders", "items")
	s.lists.row = listing.Row{Data: []byte(`{"id":1}`), Cursor: stream.NewCursor("test", 5, nil)}
	s.set.Restrict([]string{"orders", "new"}, nil)
	for _, path := range []string{"/api/collections/orders", "/api/collections/orders/1", "/api/collections/new"} {
		if status, header, body := s.get(path); status != 503 || header.Get("Retry-After") != "5" || !strings.Contains(body, `"code":"collection_changed"`) {
			t.Errorf("GET %s: %d %v %s", path, status, header, body)
		}
	}
	s.wants("/api/collections/items/1", 200, `{"id":1}`)
	s.set.Restrict(nil, nil)
	s.wants("/api/collections/orders/1", 200, `{"id":1}`)
}

// What went wrong in the database is in the log; the client learns what it can do.
func TestErrors(t *testing.T) {
	s := newServer(t, "orders")
	secret := &pgconn.PgError{Code: "42501", Message: "secret"}
	for kind, want := range map[listing.Kind]struct {
		status int
		text   string
		logged bool
	}{
		listing.NoRow: {404, "no row", false}, listing.BadPosition: {400, "earlier page", false}, listing.BadValue: {400, "a value of the filter", false},
		listing.LongPosition: {400, "order cannot be continued", false}, listing.TooLarge: {500, "row_too_large", true}, listing.NoMemory: {503, "memory", true},
		listing.SlowList: {503, "list_timeout", true}, listing.SlowCount: {503, "leave out count", true}, listing.NoRight: {503, "missing_right", true},
		listing.Changed: {503, "collection_changed", true}, listing.Broken: {500, "expression", true}, listing.Unknown: {404, "no such collection", false},
	} {
		s.log.Reset()
		s.lists.err = fmt.Errorf("list: %w", &listing.Error{Kind: kind, Collection: "orders"})
		s.wants("/api/collections/orders", want.status, want.text)
		s.wants("/api/collections/orders/7", want.status, want.text)
		if got := s.log.Len() > 0; got != want.logged {
			t.Errorf("kind %d: logged %t: %s", kind, got, s.log)
		}
	}
	for err, status := range map[error]int{secret: 500, context.DeadlineExceeded: 503, errors.New("secret"): 500} {
		s.lists.err = err
		if got, _, body := s.get("/api/collections/orders"); got != status || strings.Contains(body, "secret") {
			t.Errorf("%v: %d %s", err, got, body)
		}
	}
	if n := s.lists.released.Load(); n != 0 {
		t.Errorf("%d releases of nothing", n)
	}
}

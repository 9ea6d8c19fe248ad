package pgherald

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/clients/go/pgheraldtest"
)

// A server that answers every cursor with a reset does not make a collection spin, and a row that it cannot read does
// not keep the others away.
func TestACollectionBacksOffFromResets(t *testing.T) {
	answers := map[string]string{
		"/api/collections":        `{"collections":[{"name":"orders","key":["id"]}]}`,
		"/api/collections/orders": `{"rows":[{"id":1},null],"keys":["1","2"],"unreadable":["2"],"cursor":"c1"}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == eventsPath {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, pgheraldtest.WithID("x1", pgheraldtest.Sync(`{"mode":"reset","reason":"future"}`)))
			return
		}
		if answers[r.URL.Path] == "" {
			http.Error(w, "unreadable", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answers[r.URL.Path])
	}))
	defer server.Close()
	client, err := New(server.URL, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var bounds []time.Duration
	client.jitter = func(bound time.Duration) time.Duration {
		bounds = append(bounds, bound)
		return 0
	}
	orders := client.Collection("orders", Query{})
	loads := 0
	for change, err := range orders.Changes(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if change.Loaded {
			loads++
		}
		if loads == 4 {
			break
		}
	}
	if want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}; !slices.Equal(bounds, want) {
		t.Errorf("delays below %v, want %v", bounds, want)
	}
	if rows := orders.Rows(); len(rows) != 1 || string(rows["1"]) != `{"id":1}` {
		t.Errorf("rows = %s", rows)
	}
}

// A row is read by its key, whatever it is.
func TestRowsOfAnyKey(t *testing.T) {
	var targets []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		targets = append(targets, strings.TrimPrefix(r.RequestURI, "/api/collections/"))
		pgheraldtest.JSON("{}")(w, r)
	}))
	defer server.Close()
	client, err := New(server.URL, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, key := range []string{"17", "a-b_c", "", ".", "..", "a/b", "[7, 2]"} {
		if _, err := client.Row(t.Context(), "orders", key); err != nil {
			t.Errorf("Row(%q) = %v", key, err)
		}
	}
	want := []string{"orders/17", "orders/a-b_c", "orders?key=", "orders?key=.", "orders?key=..", "orders?key=a%2Fb", "orders?key=%5B7%2C+2%5D"}
	if !slices.Equal(targets, want) {
		t.Errorf("requests %q, want %q", targets, want)
	}
}

// loadedOnce returns the first load of a collection whose lists are these, one after the other. No row can be read by its key.
func loadedOnce(t *testing.T, q Query, pages ...string) *Collection {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/collections":
			pgheraldtest.JSON(`{"collections":[{"name":"orders","key":["id"],"filter":[{"name":"id","kind":"text"}]}]}`)(w, r)
		case r.URL.Path == "/api/collections/orders" && !r.URL.Query().Has("key") && len(pages) > 0:
			pgheraldtest.JSON(pages[0])(w, r)
			pages = pages[1:]
		default:
			pgheraldtest.Refuse(http.StatusNotFound, "Content-Type", "application/problem+json")(w, r)
			_, _ = io.WriteString(w, "{}")
		}
	}))
	t.Cleanup(server.Close)
	client, err := New(server.URL, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	client.jitter = func(time.Duration) time.Duration { return 0 }
	orders := client.Collection("orders", q)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for _, err := range orders.Changes(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	return orders
}

// A key may be empty.
func TestARowWithAnEmptyKey(t *testing.T) {
	page := `{"rows":[{"id":""},{"id":"a"}],"keys":["","a"],"cursor":"c1"}`
	if rows := loadedOnce(t, Query{}, page).Rows(); len(rows) != 2 || string(rows[""]) != `{"id":""}` {
		t.Errorf("rows = %s", rows)
	}
}

// A list whose first rows are all gone goes on, so it is loaded again.
func TestAWindowWithoutABound(t *testing.T) {
	orders := loadedOnce(t, Query{Limit: 1},
		`{"rows":[null,null],"keys":["1","2"],"oversized":["1","2"],"cursor":"c1","next":"more"}`,
		`{"rows":[{"id":"3"}],"keys":["3"],"cursor":"c2"}`)
	if rows := orders.Rows(); len(rows) != 1 || rows["3"] == nil {
		t.Errorf("rows = %s", rows)
	}
}

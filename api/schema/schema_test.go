package schema_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/api/schema"
	"github.com/pgherald/pgherald/stream/collection"
)

var updateGolden = flag.Bool("update", false, "overwrite the golden files")

func source(t *testing.T) schema.Source {
	t.Helper()
	set, err := collection.NewSet([]collection.Collection{{
		Name: "orders", Table: "public.orders", Key: []string{"id", "line"}, Truncated: "table_truncated",
		Types: map[string]collection.Op{"order_created": collection.OpInsert, "order_updated": collection.OpUpdate, "order_deleted": collection.OpDelete},
		Fields: []collection.Field{
			{Name: "id", Type: "bigint", JSONType: "text", Filter: collection.Integer},
			{Name: "line", Type: "integer", JSONType: "int4"},
			{Name: "status", Type: "public.status", JSONType: "text", Labels: []string{"open", "paid"}, Nullable: true, Filter: collection.Enum},
			{Name: "total", Type: "numeric(10,2)", JSONType: "numeric", Nullable: true},
			{Name: "extra", Type: "jsonb", JSONType: "jsonb", Nullable: true},
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return schema.Source{
		Version: "v1", Collections: set, Events: []schema.Event{{Type: "sales:call", Fields: []collection.Field{{Name: "at", Type: "timestamptz", JSONType: "timestamptz"}}}},
		Routes: []schema.Route{
			{Method: http.MethodGet, Path: "/api/collections/{rest:(?s:.*)}"}, {Method: http.MethodHead, Path: "/api/collections/{rest:(?s:.*)}"},
			{Method: http.MethodGet, Path: "/livez"}, {Method: http.MethodGet, Path: "/of/an/application"},
		},
	}
}

// TestGolden compares the documents with golden files, in which changes can be reviewed.
func TestGolden(t *testing.T) {
	for file, document := range map[string]func(schema.Source) []byte{
		"testdata/schema.json": schema.JSONSchema, "testdata/openapi.json": schema.OpenAPI, "testdata/asyncapi.json": schema.AsyncAPI,
	} {
		var got bytes.Buffer
		if err := json.Indent(&got, document(source(t)), "", " "); err != nil {
			t.Fatal(err)
		}
		if *updateGolden {
			if err := os.WriteFile(file, got.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("%s is missing: run with -update and review it", file)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// TestDocumentIsMadeOnce requests a document from many clients at once, and after a change.
func TestDocumentIsMadeOnce(t *testing.T) {
	var made atomic.Int32
	var changes atomic.Uint64
	d := schema.NewDocument("application/json", changes.Load, func() []byte {
		made.Add(1)
		return []byte("{}\n")
	})
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			w := httptest.NewRecorder()
			d.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			if w.Body.String() != "{}\n" || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Etag") == "" {
				t.Errorf("got %s, %v", w.Body, w.Header())
			}
		})
	}
	clients.Wait()
	if made.Load() != 1 {
		t.Errorf("made %d times", made.Load())
	}
	changes.Add(1)
	d.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	if made.Load() != 2 {
		t.Errorf("made %d times after a change", made.Load())
	}
}

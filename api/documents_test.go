package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gorilla/mux"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/activities"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/collections"
	"github.com/pgherald/pgherald/api/schema"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/status"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// noRevocations, noTickets and so on make an API have their routes.
type (
	noRevocations struct{ auth.RevocationStore }
	noDisconnects struct{ auth.DisconnectStore }
	noTickets     struct{ auth.TicketStore }
	noPublisher   struct{ api.Publisher }
	noPresence    struct{ api.PresenceList }
	noLists       struct{ collections.Lists }
)

func (noRevocations) Read(context.Context, uint64) ([]auth.Revocation, []auth.Disconnect, uint64, error) {
	return nil, nil, 0, nil
}

// documentedCollections are two collections with awkward names.
func documentedCollections(t *testing.T) *collection.Set {
	t.Helper()
	set, err := collection.NewSet([]collection.Collection{
		{
			Name: "orders", Table: `public."Orders"`, Key: []string{"id"}, Truncated: "orders_truncated",
			Types: map[string]collection.Op{"order:created": collection.OpInsert, "order_updated": collection.OpUpdate, "order_deleted": collection.OpDelete},
			Fields: []collection.Field{
				{Name: "id", Type: "bigint", JSONType: "int8", Filter: collection.Integer, Column: "id"},
				{Name: `a"b {c}/d`, Type: "numeric(10,2)", JSONType: "numeric", Nullable: true, Filter: collection.Numeric, Column: "x"},
				{Name: "state", Type: "public.state", JSONType: "text", Labels: []string{"open", "paid"}, Nullable: true, Filter: collection.Enum, Column: "state"},
				{Name: "tags", Type: "text[]", JSONType: "text[]"},
			},
		},
		{
			Name: "row", Table: "public.row", Key: []string{"a", "b"},
			Types: map[string]collection.Op{"row.created": collection.OpInsert, "row.updated": collection.OpUpdate, "row.deleted": collection.OpDelete},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// newDocumentedAPI returns the handler of an API that has every route if isFull is set.
func newDocumentedAPI(t *testing.T, isFull bool) *api.API {
	t.Helper()
	feed := stream.NewFeed(streamtest.NewLog("k3f9"), stream.FeedOptions{StaleAfter: neverStale})
	config := api.Config{Feed: feed, Ready: feed.Err}
	var options []api.Option
	if isFull {
		config.Collections = documentedCollections(t)
		options = []api.Option{
			api.Auth{Authenticator: fakeAuthenticator{"ann": {User: "ann"}}, OperatorRole: "the-secret-role", Tickets: noTickets{}, Revocations: noRevocations{}, Disconnects: noDisconnects{}},
			api.Publishing{Publisher: noPublisher{}, Role: "the-secret-role"}, api.Presence{List: noPresence{}}, api.History{Log: streamtest.NewLog("k3f9")}, api.Operations{Read: func(context.Context) (o status.Operations) { return o }}, api.Page{Handler: http.NotFoundHandler()},
			api.Routes(collections.New(config.Collections, noLists{}, collections.Options{}).Routes()), api.Routes(activities.New(activities.Pools{}, nil, activities.Options{}).Routes()),
			api.Schema{Version: "v1.2.3", TokensInURLs: true, Operations: activities.Operations(), Events: func() []schema.Event { return []schema.Event{{Type: "call"}} }},
		}
	}
	a, err := api.New(config, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	if err := a.ReadRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

// document requests a document.
func document(t *testing.T, a *api.API, path string) []byte {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Test-User", "ann")
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.Bytes()
}

// openAPI reads and validates the OpenAPI document with a validator that is not ours.
func openAPI(t *testing.T, a *api.API) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(document(t, a, "/api/schema/openapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatalf("the OpenAPI document is not valid: %v", err)
	}
	return doc
}

// TestOpenAPIHasEveryRoute compares the document with the router. A route that is added without a description fails it.
func TestOpenAPIHasEveryRoute(t *testing.T) {
	for _, isFull := range []bool{true, false} {
		a := newDocumentedAPI(t, isFull)
		doc := openAPI(t, a)
		paths := map[string]bool{}
		for path, item := range doc.Paths.Map() {
			for method := range item.Operations() {
				paths[method+" "+path] = true
			}
		}
		err := a.Router().Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
			path, err := route.GetPathTemplate()
			methods, _ := route.GetMethods()
			for _, method := range methods {
				switch {
				case path == "/" || method == http.MethodHead && slices.Contains(methods, http.MethodGet):
					continue
				case path == "/api/collections/{rest:(?s:.*)}":
					path = "/api/collections/orders"
				}
				if !paths[method+" "+path] {
					t.Errorf("%s %s is not in the OpenAPI document: describe it in package api/schema", method, path)
				}
				delete(paths, method+" "+path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for path := range paths {
			if !strings.HasPrefix(path, "GET /api/collections/") {
				t.Errorf("the OpenAPI document has %s, the router does not", path)
			}
		}
	}
}

// TestOpenAPIHasEveryParameter compares the parameters of streams and lists with those that an error names.
func TestOpenAPIHasEveryParameter(t *testing.T) {
	a := newDocumentedAPI(t, true)
	doc := openAPI(t, a)
	for path, known := range map[string]string{"/api/events": "conditions since Last-Event-ID unknown", "/api/collections/orders": "where.id where.state", "/api/log": "conditions unknown"} {
		r := httptest.NewRequest(http.MethodGet, path+"?misspelt=1", nil)
		r.Header.Set("Test-User", "ann")
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, r)
		_, list, _ := strings.Cut(w.Body.String(), "is unknown: use ")
		list, _, _ = strings.Cut(list, `"`)
		names := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
		if len(names) < 5 {
			t.Fatalf("%s: %s", path, w.Body)
		}
		for _, name := range append(names, strings.Fields(known)...) {
			isPattern := name == "q.NAME" || name == "where.FIELD" || name == "or" || name == "user" // without tokens only
			if doc.Paths.Find(path).Get.Parameters.GetByInAndName("query", name) == nil && !isPattern && name != "Last-Event-ID" {
				t.Errorf("%s: the parameter %s is not in the document", path, name)
			}
		}
	}
}

// TestOpenAPISecurity compares the security schemes with what the API accepts.
func TestOpenAPISecurity(t *testing.T) {
	full, bare := openAPI(t, newDocumentedAPI(t, true)), openAPI(t, newDocumentedAPI(t, false))
	if len(bare.Components.SecuritySchemes) > 0 || len(bare.Security) > 0 {
		t.Errorf("without tokens: %v, %v", bare.Components.SecuritySchemes, bare.Security)
	}
	for _, name := range []string{"token", "cookie", "tokenInURL", "ticket"} {
		if full.Components.SecuritySchemes[name] == nil {
			t.Errorf("no security scheme %s", name)
		}
	}
	get := func(path string) *openapi3.Operation { return full.Paths.Find(path).Get }
	if len(full.Security) != 3 || len(*get("/api/events").Security) != 4 || len(*get("/livez").Security) != 0 || get("/api/presence").Security != nil {
		t.Errorf("security: %v, of streams %v, of health %v", full.Security, get("/api/events").Security, get("/livez").Security)
	}
	if get("/api/stats").Responses.Status(http.StatusForbidden) == nil || get("/api/presence").Responses.Status(http.StatusForbidden) != nil {
		t.Error("not the routes that need a role have a 403")
	}
}

// TestAsyncAPI validates the document with the schema that the AsyncAPI project publishes.
func TestAsyncAPI(t *testing.T) {
	compiled := asyncAPISchema(t)
	for _, isFull := range []bool{true, false} {
		text := document(t, newDocumentedAPI(t, isFull), "/api/schema/asyncapi.json")
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(doc); err != nil {
			t.Errorf("the AsyncAPI document is not valid: %v", err)
		}
		checkReferences(t, doc.(map[string]any), doc)
	}
}

// asyncAPISchema compiles the schema from the npm package @asyncapi/specs (Apache-2.0).
func asyncAPISchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	file, err := os.Open("testdata/asyncapi-3.0.0.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("asyncapi.json", doc); err != nil {
		t.Fatal(err)
	}
	return compiler.MustCompile("asyncapi.json")
}

// checkReferences makes sure that every reference in a part of a document has a target.
func checkReferences(t *testing.T, doc map[string]any, part any) {
	t.Helper()
	switch part := part.(type) {
	case map[string]any:
		for name, value := range part {
			if target, ok := value.(string); name == "$ref" && ok && !hasTarget(doc, target) {
				t.Errorf("the reference %s leads nowhere", target)
			}
			checkReferences(t, doc, value)
		}
	case []any:
		for _, value := range part {
			checkReferences(t, doc, value)
		}
	}
}

func hasTarget(doc any, ref string) bool {
	for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		members, _ := doc.(map[string]any)
		doc = members[name]
	}
	return doc != nil
}

// TestJSONSchemaCompiles compiles every schema of the document, and validates examples.
func TestJSONSchemaCompiles(t *testing.T) {
	text := document(t, newDocumentedAPI(t, true), "/api/schema")
	schemas := compileSchemas(t, text)
	for name, examples := range map[string]struct{ valid, invalid []string }{
		"orders.row": {
			[]string{`{"id":1,"a\"b {c}/d":1.5,"state":"open","tags":["a",null]}`, `{"id":1,"a\"b {c}/d":"NaN","state":null,"tags":[],"new":1}`},
			[]string{`{"id":1.5,"a\"b {c}/d":1,"state":"open","tags":[]}`, `{"id":1,"a\"b {c}/d":1,"state":"lost","tags":[]}`, `{"id":1,"a\"b {c}/d":1,"state":"open"}`},
		},
		"orders.event": {
			[]string{
				`{"id":1,"type":"order_updated","data":{"id":1,"a\"b {c}/d":1,"state":"open","tags":[]},"collection":"orders","op":"insert","moved":true,"key":"1","xid":"8","timestamp":1}`,
				`{"id":1,"type":"order_updated","collection":"orders","op":"delete","moved":true,"key":"1","xid":"8","timestamp":1}`,
				`{"id":1,"type":"order_deleted","data":{"id":1},"collection":"orders","op":"delete","key":"1","xid":"8","q":["a"],"timestamp":1}`,
				`{"id":1,"type":"order:created","oversized":true,"collection":"orders","op":"insert","key":"1","xid":"8","timestamp":1}`,
				`{"id":1,"type":"orders_truncated","data":{"table":"public.orders"},"collection":"orders","op":"reset","xid":"8","timestamp":1}`,
				`{"type":"heartbeat","data":{},"timestamp":1}`,
			},
			[]string{
				`{"id":1,"type":"order_updated","data":{},"collection":"orders","op":"insert","key":"1","xid":"8","timestamp":1}`,
				`{"id":1,"type":"order_updated","collection":"orders","op":"delete","key":"1","xid":"8","timestamp":1}`,
				`{"id":1,"type":"call","data":{},"timestamp":1}`,
			},
		},
		"orderCOLONcreated.envelope": {[]string{`{"id":1,"type":"order:created","oversized":true,"data":{"id":1,"a\"b {c}/d":1,"state":null,"tags":[]},"timestamp":1}`}, nil},
		"order_deleted.envelope":     {[]string{`{"id":1,"type":"order_deleted","data":{},"timestamp":1}`}, []string{`{"id":1,"type":"call","data":{},"timestamp":1}`}},
		"EventPage": {
			[]string{
				`{"events":[{"id":1,"type":"order_deleted","data":{"id":1},"timestamp":1}],"cursor":"k3f9-1~1","more":true}`,
				`{"events":[],"cursor":"k3f9-1~1","more":false,"sync":{"mode":"reset","reason":"pruned"}}`,
			},
			[]string{`{"events":[{"type":"x"}],"cursor":"k3f9-1~1","more":true}`, `{"events":[],"more":false}`, `{"events":[],"cursor":"","more":false,"sync":{}}`},
		},
		"LogPage": {
			[]string{
				`{"events":[{"id":1,"type":"call","data":1,"key":"7","xid":"8","timestamp":1},{"id":1,"type":"order_updated","collection":"orders","op":"delete","moved":true,"key":"1","xid":"8","timestamp":1}],"cursor":"k3f9-1~1"}`,
			},
			[]string{`{"events":[{"id":1,"type":"call","data":1,"timestamp":1}],"cursor":"k3f9-1~1"}`, `{"events":[]}`},
		},
		"call.envelope":  {[]string{`{"id":1,"type":"call","data":null,"timestamp":1}`}, nil},
		"TableTruncated": {[]string{`{"id":1,"type":"orders_truncated","data":{"table":"public.orders"},"timestamp":1}`}, nil},
		"Envelope":       {[]string{`{"id":1,"type":"order_updated","oversized":true,"timestamp":1}`}, []string{`{"type":"sync","data":{"mode":"asleep"},"timestamp":1}`}},
	} {
		for _, text := range slices.Concat(examples.valid, examples.invalid) {
			err := validateText(t, schemas[name], text)
			if isValid := slices.Contains(examples.valid, text); isValid != (err == nil) {
				t.Errorf("%s: %s: %v", name, text, err)
			}
		}
	}
}

func compileSchemas(t *testing.T, text []byte) map[string]*jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	compiler.MustCompile("schema.json")
	schemas := map[string]*jsonschema.Schema{}
	for name := range doc.(map[string]any)["$defs"].(map[string]any) {
		schemas[name] = compiler.MustCompile("schema.json#/$defs/" + name)
	}
	return schemas
}

func validateText(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(value)
}

// TestDocumentsAreServed checks access, headers and that no name of a role is shown.
func TestDocumentsAreServed(t *testing.T) {
	a := newDocumentedAPI(t, true)
	for _, path := range []string{"/api/schema", "/api/schema/openapi.json", "/api/schema/asyncapi.json"} {
		text := document(t, a, path)
		if !json.Valid(text) || bytes.Contains(text, []byte("the-secret-role")) || path != "/api/schema" && !bytes.Contains(text, []byte("v1.2.3")) {
			t.Errorf("%s: %s", path, text)
		}
		handler := a.Handler()
		request := func(method, user, etag string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(method, path, nil)
			r.Header.Set("Test-User", user)
			if etag != "" {
				r.Header.Set("If-None-Match", etag)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			return w
		}
		if got := request(http.MethodGet, "eve", ""); got.Code != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d", path, got.Code)
		}
		first := request(http.MethodHead, "ann", "")
		if first.Code != http.StatusOK || first.Header().Get("Cache-Control") != "private, no-cache" || first.Header().Get("Etag") == "" || first.Body.Len() > 0 {
			t.Errorf("HEAD %s: %d %v", path, first.Code, first.Header())
		}
		if got := request(http.MethodGet, "ann", first.Header().Get("Etag")); got.Code != http.StatusNotModified || got.Body.Len() > 0 {
			t.Errorf("%s with its ETag: %d", path, got.Code)
		}
		if got := request(http.MethodGet, "ann", `"other"`); got.Code != http.StatusOK || !bytes.Equal(got.Body.Bytes(), text) {
			t.Errorf("%s with another ETag: %d", path, got.Code)
		}
	}
}

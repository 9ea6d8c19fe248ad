package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// schemaSpec watches a table with all sorts of columns, one whose rows are a part of their events, one with a column that
// is left out, and one that is no collection.
const schemaSpec = `
bigint: text
tables:
  - name: public.kinds
    collection: kinds
    filter: "*"
    on: { insert: made, update: changed, delete: gone }
  - name: public.parts
    collection: parts
    row: [a, b, twice]
    on:
      insert: { type: part_made, payload: &part { a: n.a, b: n.b, twice: n.a * 2, by: current_user } }
      update: { type: part_changed, payload: *part }
      delete: { type: part_gone, payload: { a: n.a } }
  - name: public.notes
    on:
      insert: { type: noted, payload: { id: n.id, before: o.id, half: n.id / 2.0, list: 'array[n.id]', at: now() } }
      update: { type: noted, payload: { id: o.id, half: "'none'" } }
  - name: public.acc*
`

const schemaDDL = typesDDL + `;
create table public.parts (a int, b text, primary key (a, b));
create table public.notes (id int primary key);
create table public.accounts (id bigint primary key, name text not null, password_hash text default 'hunter2')`

// schemas are those of a running server.
type schemas struct {
	t    *testing.T
	defs map[string]*jsonschema.Schema
	doc  map[string]any // by the same names
}

func loadSchemas(ctx context.Context, t *testing.T, n *node) *schemas {
	t.Helper()
	text := get(ctx, t, n.at("/api/schema"))
	if strings.Contains(text, "password") {
		t.Error("the schema has a column that is left out")
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s := &schemas{t, map[string]*jsonschema.Schema{}, doc.(map[string]any)["$defs"].(map[string]any)}
	for name := range s.doc {
		s.defs[name] = compiler.MustCompile("schema.json#/$defs/" + name)
	}
	return s
}

// check validates a JSON text against the schemas of the names.
func (s *schemas) check(text string, names ...string) {
	s.t.Helper()
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range names {
		if s.defs[name] == nil {
			s.t.Errorf("there is no schema %s", name)
		} else if err := s.defs[name].Validate(value); err != nil {
			s.t.Errorf("%.300s does not fit %s: %v", text, name, err)
		}
	}
}

// checkMembers makes sure that a row has the members of its schema, and no others.
func (s *schemas) checkMembers(text, name string) {
	s.t.Helper()
	var row map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &row); err != nil {
		s.t.Fatal(err)
	}
	properties := s.doc[name].(map[string]any)["properties"].(map[string]any)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(properties)), slices.Sorted(maps.Keys(row))); diff != "" {
		s.t.Errorf("members of %s (-schema +row):\n%s", name, diff)
	}
}

// dataLines sends the data lines of a stream until one has the text in it.
func dataLines(ctx context.Context, t *testing.T, url, last string) <-chan []string {
	t.Helper()
	body := bufio.NewReaderSize(ask(ctx, t, url).Body, 1<<20)
	if _, err := body.Peek(1); err != nil {
		t.Fatal(err)
	}
	all := make(chan []string, 1)
	go func() {
		defer close(all)
		var lines []string
		for {
			line, err := body.ReadString('\n')
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				lines = append(lines, data)
			}
			if err != nil || strings.Contains(line, last) {
				all <- lines
				return
			}
		}
	}()
	return all
}

// TestAnswersFitTheirSchemas validates what a server sends against the documents that it serves.
func TestAnswersFitTheirSchemas(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn, schemaDDL)
	n := newNode(url, func(c *server.Config) { c.Database.Spec = specFile(t, schemaSpec) })
	startNodes(ctx, t, n)
	defer n.end(t)
	s := loadSchemas(ctx, t, n)
	streams := map[string]<-chan []string{}
	for _, query := range []string{"", "?batch=10ms", "?collection=kinds", "?collection=kinds&where.yes=true", "?collection=kinds&batch=10ms",
		"?q.a=collection:kinds;where.yes=true&q.b=collection:kinds&q.c=collection:parts", "?collection=accounts"} {
		streams[query] = dataLines(ctx, t, n.at("/api/events"+query), `"the end"`)
	}
	var start string
	if err := conn.QueryRow(ctx, `select pgherald.cursor()`).Scan(&start); err != nil {
		t.Fatal(err)
	}
	writeAllKinds(t, conn)
	checkLists(ctx, s, n)
	pgtest.Exec(t, conn, `truncate public.kinds; insert into public.notes values (1); update public.notes set id = 2; truncate public.notes;
		insert into public.parts values (1, 'x'); update public.parts set b = 'y'; delete from public.parts;
		insert into public.kinds (id, yes, body) values (-1, true, 'x');
		insert into public.accounts values (1, 'ann')`)
	pgtest.Exec(t, conn, `begin; insert into public.accounts values (2, 'the end'); insert into public.parts values (2, 'the end');
		update public.kinds set body = '"the end"'; update public.kinds set body = 'the end' where id = -1; commit`)
	for query, lines := range streams {
		checkStream(s, query, <-lines)
		if !strings.Contains(query, "batch") {
			page := get(ctx, t, n.at("/api/events?max=1000&since="+start+strings.Replace(query, "?", "&", 1)), "Accept", "application/json")
			s.check(page, "EventPage")
			if !strings.Contains(page, `"type"`) {
				t.Errorf("%s: the page is %s", query, page)
			}
		}
	}
}

// writeAllKinds writes rows with values of all types. Arrays of several dimensions are not in the schema.
func writeAllKinds(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	for i, assignment := range typesValues {
		if strings.Contains(assignment, "nested =") || strings.Contains(assignment, "repeat(") {
			continue
		}
		pgtest.Exec(t, conn, `insert into public.kinds (id, yes) values ($1, true)`, i)
		pgtest.Exec(t, conn, `update public.kinds set `+assignment+` where id = `+strconv.Itoa(i))
		pgtest.Exec(t, conn, `update public.kinds set yes = false, raw = '\x00' where id = `+strconv.Itoa(i))
		if i%2 == 0 {
			pgtest.Exec(t, conn, `delete from public.kinds where id = $1`, i)
		}
	}
}

func checkLists(ctx context.Context, s *schemas, n *node) {
	s.t.Helper()
	page := get(ctx, s.t, n.at("/api/collections/kinds?limit=500&count=exact"))
	s.check(page, "kinds.page")
	var rows struct{ Rows []json.RawMessage }
	if err := json.Unmarshal([]byte(page), &rows); err != nil || len(rows.Rows) < 5 {
		s.t.Fatalf("%d rows, %v", len(rows.Rows), err)
	}
	for _, row := range rows.Rows {
		s.check(string(row), "kinds.row")
		s.checkMembers(string(row), "kinds.row")
	}
}

// checkStream validates the events of a stream.
func checkStream(s *schemas, query string, lines []string) {
	s.t.Helper()
	seen := map[string]int{}
	for _, line := range lines {
		var event struct {
			Type, Collection, Op string
			Data                 json.RawMessage
			Ops                  map[string]any
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			s.t.Fatal(err)
		}
		seen[event.Type]++
		names := []string{"Envelope"}
		switch {
		case event.Ops != nil:
			names = []string{"SelectionEvent"}
		case event.Op == "reset":
			names = []string{"RowReset"}
		case event.Op != "":
			names = []string{event.Collection + ".event"}
		}
		if schema, own := event.Type+".envelope", s.defs[event.Type+".envelope"]; own != nil && names[0] == "Envelope" {
			names = append(names, schema)
		}
		s.check(line, names...)
		if event.Type == "changed" && len(event.Data) > 0 {
			s.checkMembers(string(event.Data), "kinds.row")
		}
	}
	if seen["sync"] == 0 || len(seen) < 2 {
		s.t.Errorf("the stream %s has the events %v", query, seen)
	}
}

// TestAnswersFitOpenAPI validates requests and responses with a validator that is not ours.
func TestAnswersFitOpenAPI(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	n := newNode(pgtest.EmptyDatabase(t))
	startNodes(ctx, t, n)
	defer n.end(t)
	doc, err := openapi3.NewLoader().LoadFromData([]byte(get(ctx, t, n.at("/api/schema/openapi.json"))))
	if err != nil {
		t.Fatal(err)
	}
	doc.Servers = openapi3.Servers{{URL: strings.TrimSuffix(n.at("/"), "/")}}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	x := exchanges{ctx, t, n, router}
	from := x.cursor("/api/events", "Accept", "application/json")
	created := x.do("POST", "/api/activities", `{"category":"a","subcategory":"b","location":"c","reporter":"d","assignedTo":null}`, 201)
	var activity struct{ ID string }
	if err := json.Unmarshal(created, &activity); err != nil {
		t.Fatal(err)
	}
	one := "/api/activities/" + activity.ID
	x.do("POST", one+"/notes", `{"notes":"n","authorId":"ann"}`, 201)
	x.do("PUT", one+"/assignment", `{"assigneeId":"bob"}`, 200)
	x.do("PUT", one, `{"status":"done","notes":"x","authorId":"ann","updateType":"status"}`, 200)
	for _, path := range []string{"/api/activities?limit=1&status=done", one, one + "/notes", "/api/collections", "/api/collections/activities?where.status=neq.open&order=status.desc",
		"/api/collections/activities/" + activity.ID, "/api/presence", "/api/stats", "/livez", "/healthz", "/readyz", "/readyz/fresh", "/readyz/events"} {
		x.do("GET", path, "", 200)
	}
	x.do("POST", "/api/events", `{"type":"call","data":null,"key":"k","audience":["role:nurse"]}`, 201)
	x.do("POST", "/api/events", `{"type":"sync","data":null}`, 400)
	x.checkPages(from)
	x.do("GET", "/api/activities?after=x", "", 400)
	x.do("GET", "/api/collections/activities/none", "", 404)
	x.do("DELETE", one+"/assignment", "", 204)
	x.do("DELETE", one, "", 204)
	x.do("DELETE", one, "", 404)
}

// exchanges makes requests and validates them with their responses.
type exchanges struct {
	ctx    context.Context
	t      *testing.T
	n      *node
	router routers.Router
}

// cursor returns the cursor of a response.
func (x exchanges) cursor(path string, header ...string) string {
	x.t.Helper()
	var page struct{ Cursor string }
	if err := json.Unmarshal(x.do("GET", path, "", 200, header...), &page); err != nil || page.Cursor == "" {
		x.t.Fatalf("%s: no cursor, %v", path, err)
	}
	return page.Cursor
}

// checkPages requests pages of events, of all and of a collection.
func (x exchanges) checkPages(from string) {
	x.t.Helper()
	after := x.cursor("/api/collections/activities")
	for _, path := range []string{"?max=2&since=" + from, "?collection=activities&since=" + from, "?wait=1ms&since=" + after, "?since=malformed"} {
		x.do("GET", "/api/events"+path, "", 200, "Accept", "application/json")
	}
	x.do("GET", "/api/events?batch=1s", "", 400, "Accept", "application/json")
}

func (x exchanges) do(method, path, body string, want int, header ...string) []byte {
	x.t.Helper()
	request := func() *http.Request {
		r, err := http.NewRequestWithContext(x.ctx, method, x.n.at(path), strings.NewReader(body))
		if err != nil {
			x.t.Fatal(err)
		}
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r
	}
	route, params, err := x.router.FindRoute(request())
	if err != nil {
		x.t.Fatalf("%s %s: %v", method, path, err)
	}
	response := askWith(x.ctx, x.t, request)
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != want {
		x.t.Fatalf("%s %s: %d %s, %v", method, path, response.StatusCode, text, err)
	}
	input := &openapi3filter.RequestValidationInput{Request: request(), PathParams: params, Route: route}
	if err := openapi3filter.ValidateRequest(x.ctx, input); err != nil && want < 300 {
		x.t.Errorf("%s %s: the request does not fit: %v", method, path, err)
	}
	answer := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: response.StatusCode, Header: response.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true}}
	if err := openapi3filter.ValidateResponse(x.ctx, answer.SetBodyBytes(text)); err != nil {
		x.t.Errorf("%s %s: the response does not fit: %v\n%s", method, path, err, text)
	}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/problem+json") && want < 400 {
		x.t.Errorf("%s %s: %s", method, path, text)
	}
	return text
}

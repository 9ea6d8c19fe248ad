package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// collectionPage is a response of GET /api/collections/{name}.
type collectionPage struct {
	Rows   []json.RawMessage `json:"rows"`
	Keys   []string          `json:"keys"`
	Cursor string            `json:"cursor"`
	Next   *string           `json:"next"`
	Count  *int              `json:"count"`
}

// readCollection reads all pages of a list, and returns the rows by key and the cursor of the first page.
func readCollection(ctx context.Context, t *testing.T, n *node, path string, header ...string) (rows map[string]string, cursor string) {
	t.Helper()
	rows = map[string]string{}
	for after := ""; ; {
		var page collectionPage
		if err := json.Unmarshal([]byte(get(ctx, t, n.at(path+after), header...)), &page); err != nil {
			t.Fatal(err)
		}
		if cursor == "" {
			cursor = page.Cursor
		}
		for i, key := range page.Keys {
			rows[key] = string(page.Rows[i])
		}
		if page.Next == nil {
			return rows, cursor
		}
		after = "&after=" + url.QueryEscape(*page.Next)
	}
}

const shopSQL = `
create table public.orders (id int primary key, status text not null, total numeric(10, 2), note text);
create table public.lines (order_id int, pos int, sku text, primary key (order_id, pos));
insert into public.orders select i, (array['open', 'paid', 'shipped'])[1 + i % 3], i * 1.25, case when i % 2 = 0 then 'x' end from generate_series(1, 120) as i;
insert into public.lines select i % 5, i, 'a/' || i from generate_series(1, 20) as i`

// TestListAndStream loads filtered lists and follows them by streams, while rows move into and out of the filters. At the
// end, each client has what PostgreSQL selects, byte for byte.
func TestListAndStream(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	databaseURL := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, databaseURL)
	pgtest.Exec(t, conn, shopSQL)
	n := newNode(databaseURL, func(c *server.Config) { c.Database.Tables = []string{"public.orders", "public.lines"} })
	startNodes(ctx, t, n)
	defer n.end(t)
	filters := map[string]string{
		"where.status=in.(open,paid)": "status in ('open', 'paid')", "where.total=gte.50&where.note=is.null": "total >= 50 and note is null",
		"any=(status.eq.shipped,total.lt.10)": "status = 'shipped' or total < 10",
	}
	type client struct {
		rows   map[string]string
		stream *frames
	}
	clients := map[string]*client{}
	random := rand.New(rand.NewPCG(1, 2))
	write := func() {
		id, status, total := random.IntN(150), []string{"open", "paid", "shipped"}[random.IntN(3)], float64(random.IntN(20000))/100
		switch random.IntN(5) {
		case 0:
			pgtest.Exec(t, conn, `insert into public.orders values ($1, $2, $3) on conflict do nothing`, id, status, total)
		case 1:
			pgtest.Exec(t, conn, `delete from public.orders where id = $1`, id)
		case 2:
			pgtest.Exec(t, conn, `update public.orders set note = case when note is null then 'n' end where id % 10 = $1`, id%10)
		default:
			pgtest.Exec(t, conn, `update public.orders set status = $2, total = $3 where id = $1`, id, status, total)
		}
	}
	for filter := range filters {
		c := &client{}
		var cursor string
		c.rows, cursor = readCollection(ctx, t, n, "/api/collections/orders?limit=500&"+filter)
		for range 20 {
			write() // between the list and the stream
		}
		response := ask(ctx, t, n.at("/api/events?collection=orders&"+filter+"&since="+url.QueryEscape(cursor)))
		c.stream = &frames{in: bufio.NewReader(response.Body)}
		clients[filter] = c
	}
	for range 100 {
		write()
	}
	// The last event of each client's stream.
	pgtest.Exec(t, conn, `insert into public.orders values (1001, 'open', 99), (1002, 'shipped', 60)`)
	for filter, where := range filters {
		c := clients[filter]
		followUntil(t, c.stream, c.rows, map[bool]string{false: "1001", true: "1002"}[strings.Contains(where, ">=") || strings.Contains(where, "shipped")])
		want := map[string]string{}
		for line := range strings.Lines(pgtest.Psql(t, databaseURL, `select id || ' ' || to_json(o) from public.orders as o where `+where)) {
			key, row, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			want[key] = row
		}
		if diff := cmp.Diff(want, c.rows); diff != "" {
			t.Errorf("%s: the client differs from PostgreSQL (-want +got):\n%s", filter, diff)
		}
	}
}

// followUntil applies the events of a collection to the rows until one of them has this key.
func followUntil(t *testing.T, f *frames, rows map[string]string, last string) {
	t.Helper()
	for {
		line, err := f.in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		data, isData := strings.CutPrefix(line, "data: ")
		if !isData {
			continue
		}
		var e struct {
			Op, Key string
			Data    json.RawMessage
		}
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			t.Fatal(err)
		}
		switch e.Op {
		case "insert", "update":
			rows[e.Key] = string(e.Data)
		case "delete":
			delete(rows, e.Key)
		}
		if e.Key == last {
			return
		}
	}
}

// The example's activities have the same rows in their own API, in their collection and in events.
func TestActivitiesAreACollection(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	n := newNode(pgtest.EmptyDatabase(t))
	startNodes(ctx, t, n)
	defer n.end(t)
	for i := range 7 {
		body := fmt.Sprintf(`{"category":"c%d","subcategory":"s","location":"l","reporter":"r","assignedTo":%s}`, i%2, []string{"null", `"ann"`}[i%2])
		if status := postJSON(ctx, t, n.at("/api/activities"), body); status != http.StatusCreated {
			t.Fatalf("status %d", status)
		}
	}
	var own struct{ Activities []map[string]any }
	if err := json.Unmarshal([]byte(get(ctx, t, n.at("/api/activities?category=c1"))), &own); err != nil {
		t.Fatal(err)
	}
	rows, cursor := readCollection(ctx, t, n, "/api/collections/activities?limit=2&where.category=c1")
	if len(own.Activities) != 3 || len(rows) != 3 || cursor == "" {
		t.Fatalf("%d activities, %d rows, cursor %q", len(own.Activities), len(rows), cursor)
	}
	for _, want := range own.Activities {
		id := want["id"].(string)
		var got, one map[string]any
		if err := json.Unmarshal([]byte(rows[id]), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(get(ctx, t, n.at("/api/collections/activities/"+id))), &one); err != nil {
			t.Fatal(err)
		}
		for name, value := range got {
			if diff := cmp.Diff(want[name], value); diff != "" {
				t.Errorf("%s of %s (-activity +row):\n%s", name, id, diff)
			}
		}
		if diff := cmp.Diff(got, one); diff != "" || len(got) != 7 {
			t.Errorf("the row by its key:\n%s", diff)
		}
	}
}

// A row that a client may not hear of is neither in its list nor found by its key.
func TestAudienceOfLists(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	databaseURL := pgtest.EmptyDatabase(t)
	pgtest.Exec(t, pgtest.Connect(t, databaseURL), `
		create table public.notes (id int primary key, owner text);
		insert into public.notes values (1, 'ann'), (2, 'bob'), (3, null)`)
	spec := filepath.Join(t.TempDir(), "spec.yaml")
	const text = `
tables:
  - name: public.notes
    collection: notes
    filter: [owner]
    on: { insert: note_created, update: note_updated, delete: note_deleted }
    audience: "case when n.owner is null then array['*'] else array['user:' || n.owner] end"
`
	if err := os.WriteFile(spec, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n := newNode(databaseURL, requireTokens, func(c *server.Config) { c.Database.Spec = spec })
	startNodes(ctx, t, n)
	defer n.end(t)
	for user, want := range map[string][]string{"ann": {"1", "3"}, "bob": {"2", "3"}, "eve": {"3"}} {
		token := bearer(t, user)
		rows, _ := readCollection(ctx, t, n, "/api/collections/notes?count=exact", "Authorization", token)
		if got := slices.Sorted(maps.Keys(rows)); !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", user, got, want)
		}
		if rows, _ := readCollection(ctx, t, n, "/api/collections/notes?where.owner=ann", "Authorization", token); len(rows) > 0 != (user == "ann") {
			t.Errorf("%s finds %v", user, rows)
		}
		for _, key := range []string{"1", "2", "3"} {
			status := http.StatusNotFound
			if slices.Contains(want, key) {
				status = http.StatusOK
			}
			if response := ask(ctx, t, n.at("/api/collections/notes/"+key), "Authorization", token); response.StatusCode != status {
				t.Errorf("%s reads %s: %s", user, key, response.Status)
			}
		}
	}
	if response := ask(ctx, t, n.at("/api/collections/notes")); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %s", response.Status)
	}
}

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/clients/conformance"
	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// adaptersOf returns the commands of the clients that can run here: those of the conformance suite.
func adaptersOf(t *testing.T) map[string][]string {
	t.Helper()
	const folder = "../../../clients/conformance/adapters/"
	binary := filepath.Join(t.TempDir(), "adapter")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, folder+"go").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	adapters := map[string][]string{"go": {binary}}
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.CommandContext(t.Context(), python, "-c", "import sys, httpx; assert sys.version_info >= (3, 11)").Run() == nil {
			adapters["python"] = []string{python, "-B", folder + "python/adapter.py", "sync"}
			adapters["python async"] = []string{python, "-B", folder + "python/adapter.py", "async"}
		}
	}
	if _, err := os.Stat("../../../web/client/dist/index.js"); err == nil && exec.CommandContext(t.Context(), "node", "--version").Run() == nil {
		adapters["npm"] = []string{"node", folder + "npm/adapter.mjs"}
	}
	return adapters
}

// adapted is a client that follows the events of a server, and its open orders in several ways.
type adapted struct {
	mu    sync.Mutex
	ids   []int64
	errs  []string
	ended *counter // counts the last event
	views []*view
}

// view is a collection as a client shows it.
type view struct {
	conformance.Start
	tail string // of the query that selects the same rows

	mu     sync.Mutex
	rows   map[string]string // by key
	keys   []string          // in their order, if there is one
	errs   []string
	opened chan struct{} // closed when the first rows were shown
	shown  *counter      // counts states with the last row
}

// views returns collections that show the last row at the end.
func views() []*view {
	all := []*view{
		{Start: conformance.Start{ID: "rows"}},
		{Start: conformance.Start{ID: "pages", Transport: "poll"}},
		{Start: conformance.Start{ID: "newest", Order: "id.desc", Limit: 7}, tail: "order by id desc limit 7"},
		{Start: conformance.Start{ID: "lowest", Order: "total", Limit: 10, Transport: "poll"}, tail: "order by total, id limit 10"},
		{Start: conformance.Start{ID: "texts", Order: "note,total.desc", Limit: 20}, tail: "order by note, total desc, id desc limit 20"},
	}
	for _, v := range all {
		v.opened, v.shown = make(chan struct{}), newCounter()
		v.Open, v.Collection, v.Where = "collection", "orders", map[string]string{"status": "open"}
	}
	return all
}

// lastKey is the key of the row that is written last.
const lastKey = "1001"

func (f *adapted) receiveEvent(o conformance.Output) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case o.Error != nil:
		f.errs = append(f.errs, *o.Error)
	case o.Event != nil && strings.HasPrefix(o.Event.Type, "orders_"):
		f.ids = append(f.ids, o.Event.ID)
		if strings.Contains(compact(o.Event.Data), `"id":`+lastKey+`,`) {
			f.ended.add()
		}
	}
}

func (v *view) receive(o conformance.Output) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if o.Error != nil {
		v.errs = append(v.errs, *o.Error)
		return
	}
	if v.rows == nil {
		close(v.opened)
	}
	v.rows, v.keys = make(map[string]string, len(o.Rows)), o.Keys
	for key, row := range o.Rows {
		v.rows[key] = compact(row)
	}
	if _, ok := o.Rows[lastKey]; ok {
		v.shown.add()
	}
}

// check compares the view with what PostgreSQL selects.
func (v *view) check(ctx context.Context, t *testing.T, name, databaseURL string) {
	t.Helper()
	if err := v.shown.reach(ctx, 1); err != nil {
		t.Errorf("%s, %s: the last row did not arrive: %v", name, v.ID, err)
	}
	want, keys := make(map[string]string), []string(nil)
	query := `select id || ' ' || to_json(o) from public.orders as o where status = 'open' ` + v.tail
	for line := range strings.Lines(pgtest.Psql(t, databaseURL, query)) {
		key, row, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		want[key], keys = compact([]byte(row)), append(keys, key)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.errs) > 0 {
		t.Errorf("%s, %s gave up: %q", name, v.ID, v.errs)
	}
	if diff := cmp.Diff(want, v.rows); diff != "" {
		t.Errorf("%s, %s: its rows differ from PostgreSQL (-want +got):\n%s", name, v.ID, diff)
	}
	if v.tail != "" && !slices.Equal(keys, v.keys) {
		t.Errorf("%s, %s: its rows are in the order %q, want %q", name, v.ID, v.keys, keys)
	}
}

// compact returns JSON with the members in one order.
func compact(raw []byte) string {
	var value any
	if json.Unmarshal(raw, &value) != nil {
		return string(raw)
	}
	text, _ := json.Marshal(value)
	return string(text)
}

// TestClients follows writes with every client, while rows move into and out of a filter and the server restarts.
// Each has received every event once, and the rows that PostgreSQL selects, with an order and a limit too, by streams and
// by pages.
func TestClients(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	databaseURL := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, databaseURL)
	pgtest.Exec(t, conn, shopSQL)
	n := newNode(databaseURL, func(c *server.Config) {
		c.Database.Tables = []string{"public.orders", "public.lines"}
		c.Listen.Addr = pgtest.FreeAddr(t) // also after the restart
	})
	startNodes(ctx, t, n)
	defer n.end(t)
	_, cursor := readCollection(ctx, t, n, "/api/collections/orders?limit=500")
	clients := make(map[string]*adapted)
	for name, command := range adaptersOf(t) {
		clients[name] = startAdapted(t, command, n.at(""), cursor)
	}
	for name, f := range clients {
		for _, v := range f.views {
			select {
			case <-v.opened:
			case <-ctx.Done():
				t.Fatalf("%s shows no rows of %s: %v", name, v.ID, ctx.Err())
			}
		}
	}
	pgtest.Psql(t, databaseURL, `update public.orders set status = 'shipped' where id % 3 = 0 and id < 30;
		update public.orders set status = 'open' where id % 3 = 1 and id < 30; delete from public.orders where id in (33, 36)`)
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	pgtest.Psql(t, databaseURL, `update public.orders set status = 'open', note = 'in between' where id between 50 and 60; delete from public.orders where id = 55`)
	startNodes(ctx, t, n)
	pgtest.Psql(t, databaseURL, `begin; insert into public.orders values (1000, 'open', 1); update public.orders set status = 'paid' where id = 57;
		insert into public.orders values (`+lastKey+`, 'open', 2, 'last'); commit`)
	logged := strings.Fields(pgtest.Psql(t, databaseURL, `select id from pgherald.events where type like 'orders\_%' order by id`))
	for name, f := range clients {
		for _, v := range f.views {
			v.check(ctx, t, name, databaseURL)
		}
		f.check(ctx, t, name, logged)
	}
}

// startAdapted opens all events after the cursor, and the open orders in several ways.
func startAdapted(t *testing.T, command []string, at, cursor string) *adapted {
	t.Helper()
	f := &adapted{ended: newCounter(), views: views()}
	a, err := conformance.StartAdapter(context.WithoutCancel(t.Context()), os.Stderr, command[0], command[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Errorf("the adapter ended with %v", err)
		}
	})
	begin := func(start conformance.Start, receive func(conformance.Output)) {
		if _, err := a.Begin(start, receive); err != nil {
			t.Fatal(err)
		}
	}
	begin(conformance.Start{ID: "events", URL: at, Open: "events", Since: cursor}, f.receiveEvent)
	for _, v := range f.views {
		v.URL = at
		begin(v.Start, v.receive)
	}
	return f
}

func (f *adapted) check(ctx context.Context, t *testing.T, name string, logged []string) {
	t.Helper()
	if err := f.ended.reach(ctx, 1); err != nil {
		t.Errorf("%s: the last event did not arrive: %v", name, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.errs) > 0 {
		t.Errorf("%s gave up: %q", name, f.errs)
	}
	slices.Sort(f.ids)
	var got []string
	for _, id := range f.ids {
		got = append(got, fmt.Sprint(id))
	}
	if diff := cmp.Diff(logged, got); diff != "" {
		t.Errorf("%s: its events differ from the log (-want +got):\n%s", name, diff)
	}
	t.Logf("%s: %d events", name, len(got))
}

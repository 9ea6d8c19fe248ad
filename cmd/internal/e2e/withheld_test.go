package e2e

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
)

// statusOf returns the status, the body and the Retry-After of a request that is answered without a stream.
func statusOf(ctx context.Context, t *testing.T, n *node, path string) (status int, body, retry string) {
	t.Helper()
	response := send(ctx, t, n.at(path), "Accept", "application/json")
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text), response.Header.Get("Retry-After")
}

// ofOrders are requests that select the collection orders.
var ofOrders = []string{"/api/collections/orders", "/api/collections/orders/1", "/api/events?collection=orders", "/api/events?q.a=collection:orders"}

// awaitStatus waits until each request that selects orders gets the status and the code.
func awaitStatus(ctx context.Context, t *testing.T, n *node, want int, code string) {
	t.Helper()
	for _, path := range ofOrders {
		waitFor(ctx, t, "the status of "+path, func() bool {
			status, body, retry := statusOf(ctx, t, n, path)
			if status == 503 && retry == "" {
				t.Fatalf("GET %s: no Retry-After: %s", path, body)
			}
			return status == want && strings.Contains(body, code)
		})
	}
}

func applySpec(ctx context.Context, t *testing.T, conn *pgx.Conn, text string) {
	t.Helper()
	spec, err := triggers.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := triggers.Apply(ctx, conn, spec); err != nil {
		t.Fatal(err)
	}
}

const (
	withheldDDL = `create table public.orders (id int primary key, place text, secret text, unique (place));
		alter table public.orders alter column place set not null;
		insert into public.orders values (1, 'here', 'hush');
		create table public.items (id int primary key); create table public.others (id int primary key)`
	ofItems = `{ name: public.items, collection: items }`
)

// TestNewerSpecBesideAServer applies specs that show less of a collection, or show it in another way, while a server has the
// older one. The server stops at once to show the collection, long before the next check; that ends no client. With the new
// file it shows what that says.
func TestNewerSpecBesideAServer(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	databaseURL := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, databaseURL)
	pgtest.Exec(t, conn, withheldDDL)
	version := 0
	spec := func(orders string) string {
		version++
		return fmt.Sprintf("version: %d\ntables:\n  - %s\n  - %s\n", version, orders, ofItems)
	}
	const before = `{ name: public.orders, collection: orders, filter: [secret] }`
	file := specFile(t, spec(before))
	n := newNode(databaseURL, func(c *server.Config) { c.Database.Spec, c.Tuning.TriggerCheckInterval = file, time.Hour })
	startNodes(ctx, t, n)
	t.Cleanup(func() { n.end(t) })
	adopts := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		adopted := strings.Count(n.log.String(), "spec adopted")
		var notified time.Time
		waitFor(ctx, t, "the new file", func() bool {
			if time.Since(notified) > time.Second { // again, for a server that connects just then
				pgtest.Exec(t, conn, `notify pgherald_control, 'spec'`)
				notified = time.Now()
			}
			return strings.Count(n.log.String(), "spec adopted") > adopted
		})
	}
	for _, test := range []struct {
		name, after string
		status      int // with the new file
	}{
		{"stricter audience", `{ name: public.orders, collection: orders, audience: "array['boss']" }`, 200},
		{"removed column", `{ name: public.orders, collection: orders, payload: { id: n.id } }`, 200},
		{"removed table", `{ name: public.others }`, 404},
		{"no collection", `{ name: public.orders }`, 404},
		{"another name", `{ name: public.orders, collection: sales }`, 404},
		{"another key", `{ name: public.orders, collection: orders, key: place }`, 503}, // until a restart
		{"other types", `{ name: public.orders, collection: orders, on: { insert: a, update: b, delete: c } }`, 503},
	} {
		waitFor(ctx, t, "the first spec, before "+test.name, func() bool {
			status, body, _ := statusOf(ctx, t, n, "/api/collections/orders")
			return status == 200 && strings.Contains(body, "hush")
		})
		waitFor(ctx, t, "its filter, before "+test.name, func() bool {
			status, _, _ := statusOf(ctx, t, n, "/api/collections/orders?where.secret=eq.hush&order=secret")
			return status == 200
		})
		after := spec(test.after)
		applySpec(ctx, t, conn, after)
		awaitStatus(ctx, t, n, 503, "collection_changed")
		get(ctx, t, n.at("/api/collections/items")) // has not changed
		adopts(after)
		waitFor(ctx, t, test.name, func() bool {
			status, body, _ := statusOf(ctx, t, n, "/api/collections/orders")
			if strings.Contains(body, "hush") {
				t.Fatalf("%s: the new spec shows %s", test.name, body)
			}
			return status == test.status
		})
		if test.status == 200 { // its conditions would tell what the rows do not
			for _, path := range []string{"/api/collections/orders?where.secret=eq.hush", "/api/collections/orders?order=secret", "/api/events?collection=orders&where.secret=eq.hush"} {
				waitFor(ctx, t, "the refusal of "+path, func() bool { // a slow server may say "undecided" before
					status, body, _ := statusOf(ctx, t, n, path)
					if status == 200 {
						t.Fatalf("%s: GET %s: %s", test.name, path, body)
					}
					return status == 400 && strings.Contains(body, "filter")
				})
			}
		}
		again := spec(before)
		applySpec(ctx, t, conn, again)
		adopts(again)
	}
}

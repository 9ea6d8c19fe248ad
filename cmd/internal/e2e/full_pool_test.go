package e2e

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// TestFullPool holds every connection of the pool for writes with a locked row. Another write gets a 503 that says so,
// and nothing else suffers: the server is ready, lists answer, events arrive.
func TestFullPool(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	database := pgtest.NewDatabase(t)
	n := newNode(database, func(c *server.Config) { c.Limits.RequestsPerUser = 0 })
	t.Cleanup(func() { n.end(t) })
	startNodes(ctx, t, n)
	lines := openStream(ctx, t, n.at("/api/events"))
	readTo(t, lines, `"sync"`)
	id := postActivity(ctx, t, n.at(""))
	tx := pgtest.Begin(t, database)
	if _, err := tx.Exec(ctx, `select from public.activities for update`); err != nil {
		t.Fatal(err)
	}
	const writers = 8 // twice the pool
	var mu sync.Mutex
	var refused string
	var writing sync.WaitGroup
	for range writers {
		writing.Go(func() { // until one is refused for that reason
			for isRefused := false; !isRefused && ctx.Err() == nil; {
				text := put(ctx, n.at("/api/activities/"+id))
				mu.Lock()
				if strings.Contains(text, "no_connection") {
					refused = text
				}
				isRefused = refused != ""
				mu.Unlock()
			}
		})
	}
	waitFor(ctx, t, "a write that finds no connection", func() bool {
		if response := send(ctx, t, n.at("/readyz")); response.StatusCode != http.StatusOK {
			body, _ := io.ReadAll(response.Body)
			t.Fatalf("/readyz: %s %s", response.Status, body)
		}
		mu.Lock()
		defer mu.Unlock()
		return refused != ""
	})
	mu.Lock()
	answer := refused
	mu.Unlock()
	if !strings.HasPrefix(answer, "503 1 ") {
		t.Errorf("status, Retry-After and body are %s", answer)
	}
	if response := ask(ctx, t, n.at("/api/activities")); response.StatusCode != http.StatusOK {
		t.Errorf("a list: %s", response.Status)
	}
	conn := pgtest.Connect(t, database)
	pgtest.Exec(t, conn, `insert into public.activities (category, subcategory, location, reporter) values ('beside a full pool', 's', 'l', 'r')`)
	readTo(t, lines, "beside a full pool")
	pgtest.Rollback(t, tx)
	writing.Wait()
}

// put changes an activity, and returns the status, Retry-After and the body.
func put(ctx context.Context, url string) string {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, url, strings.NewReader(`{"location":"x"}`))
	if err != nil {
		return err.Error()
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return strings.Join([]string{response.Status[:3], response.Header.Get("Retry-After"), string(body)}, " ")
}

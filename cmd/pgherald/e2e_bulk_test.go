package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// bulkMemory is how much more than its feed a server may hold while 100,000 events pass.
const bulkMemory = 96 << 20

// TestBulk updates 100,000 rows in one statement. Every event reaches three clients, one of them
// slow, in one piece, whether the transaction fits in the feed or must be read from the log.
func TestBulk(t *testing.T) {
	rows := 100_000
	if testing.Short() {
		rows = 10_000
	}
	for name, feed := range map[string]int{"from the feed": 256 << 20, "from the log": 1 << 20} {
		t.Run(name, func(t *testing.T) { runBulk(t, rows, feed) })
	}
}

func runBulk(t *testing.T, rows, feed int) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	url := pgtest.NewDatabase(t)
	n := newNode(t, url, fmt.Sprintf("--feed-bytes=%d", feed))
	startNodes(ctx, t, n)
	defer n.end(t)
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `alter table activities disable trigger user`)
	pgtest.Exec(t, conn, `insert into activities (category, subcategory, location, reporter)
		select 'Maintenance', 'Pump', 'HQ', 'somebody' from generate_series(1, $1)`, rows)
	pgtest.Exec(t, conn, `alter table activities enable trigger user`)

	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var reading sync.WaitGroup
	var clients []*bulkClient
	updated := make(chan struct{})
	for i := range 3 {
		c := &bulkClient{seen: make(map[int64]bool, rows), rows: rows}
		if i == 2 {
			c.wait = updated // its socket fills up meanwhile
		}
		clients = append(clients, c)
		started := make(chan struct{})
		reading.Go(func() { c.err = c.read(ctx, newHTTPClient(t), n.at("/api/events"), started) })
		<-started
	}
	began := time.Now()
	pgtest.Exec(t, conn, `update activities set status = 'closed'`)
	t.Logf("updated %d rows in %v", rows, time.Since(began).Round(time.Millisecond))
	close(updated)
	reading.Wait()
	t.Logf("all clients had everything after %v", time.Since(began).Round(time.Millisecond))
	for i, c := range clients {
		if c.err != nil {
			t.Errorf("client %d: %v", i, c.err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	held := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("heap grew by %d MiB", held>>20)
	if held > int64(feed)+bulkMemory {
		t.Errorf("the server holds %d bytes more, with a feed of %d", held, feed)
	}
}

// bulkClient reads until it has all events of one transaction.
type bulkClient struct {
	wait <-chan struct{}
	rows int
	seen map[int64]bool
	err  error
}

func (c *bulkClient) read(ctx context.Context, client *http.Client, url string, started chan<- struct{}) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		close(started)
		return err
	}
	defer resp.Body.Close()
	var parsed streamtest.Client
	buf := make([]byte, 64<<10)
	for len(parsed.Transactions) == 0 {
		n, err := resp.Body.Read(buf)
		if err != nil {
			return err
		}
		if _, err := parsed.Write(buf[:n]); err != nil {
			return err
		}
		if len(parsed.Control) > 0 && started != nil {
			close(started)
			started = nil
			if c.wait != nil {
				<-c.wait
			}
		}
	}
	return c.check(parsed.Transactions[0])
}

func (c *bulkClient) check(events []streamtest.Envelope) error {
	last := int64(0)
	for _, e := range events {
		if e.Type != "activity_updated" || e.ID <= last {
			return fmt.Errorf("got %s %d after %d", e.Type, e.ID, last)
		}
		last = e.ID
		c.seen[e.ID] = true
	}
	if len(c.seen) != c.rows {
		return fmt.Errorf("got %d events of %d in one transaction", len(c.seen), c.rows)
	}
	return nil
}

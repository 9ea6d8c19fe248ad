package e2e

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

var bulkRows = flag.Int("bulk.rows", 20_000, "rows of TestLargeTransaction")

// bulkRowBytes is the size of a row in the feed, in two transactions.
const bulkRowBytes = 1300

// maxExtraHeap is the heap in bytes, beyond feed, catch-ups and their share of garbage, that the server and three clients
// in the same process may use while a large transaction passes.
const maxExtraHeap = 20 << 20

// gcPercent is the garbage, in percent of the heap, at which the collector runs. Garbage of a running collection
// counts as in use. A low value bounds it on a loaded machine too, since goroutines that allocate must help the
// collector.
const gcPercent = 20

// TestLargeTransaction changes all rows in one statement, between small writes of another connection. Each
// client receives the large transaction in one piece, and the heap stays below its bound, even with a client
// that reads nothing until the others are done. A client that takes too long, as on a busy machine, may be closed as
// slow while others wait for the memory of its catch-up: it resumes.
func TestLargeTransaction(t *testing.T) {
	large := *bulkRows * bulkRowBytes
	for name, c := range map[string]heapCase{
		"from the feed": {feed: large, held: large},
		"from the log":  {feed: 1 << 20, memory: 32 << 20, held: 24 << 20},
	} {
		t.Run(name, func(t *testing.T) { testLargeTransaction(t, *bulkRows, c) })
	}
}

// heapCase is a case of TestLargeTransaction, in bytes: the limit of the feed, the budget of the server (0 for
// the default), and what the feed and the catch-ups together may hold of the log.
type heapCase struct{ feed, memory, held int }

func testLargeTransaction(t *testing.T, rows int, limits heapCase) {
	ctx := testContext(t)
	url := pgtest.EmptyDatabase(t)
	n := newNode(url, func(c *server.Config) {
		c.Tuning.FeedBytes, c.Tuning.Memory, c.Tuning.WriteTimeout = int64(limits.feed), int64(limits.memory), 4*time.Minute
	})
	startNodes(ctx, t, n)
	defer n.end(t)
	conn := pgtest.Connect(t, url)
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	memory := watchHeap(ctx)
	began := time.Now()
	first := startReaders(ctx, t, n, &bulkReader{want: []bulk{{rows, "open"}}})
	pgtest.Exec(t, conn, `insert into activities (category, subcategory, location, reporter)
		select 'Maintenance', 'Pump', 'HQ', 'r' from generate_series(1, $1)`, rows)
	t.Logf("inserted %d rows in %v", rows, time.Since(began).Round(time.Millisecond))
	first.Wait()
	fast := make(chan struct{})
	want := []bulk{{1, "open"}, {rows, "closed"}, {1, "open"}}
	quick := startReaders(ctx, t, n, &bulkReader{want: want}, &bulkReader{want: want})
	slow := startReaders(ctx, t, n, &bulkReader{want: want, pause: fast})
	other := pgtest.Connect(t, url)
	small := `insert into activities (category, subcategory, location, reporter) values ('a', 'b', 'c', 'd')`
	pgtest.Exec(t, other, small)
	began = time.Now()
	pgtest.Exec(t, conn, `update activities set status = 'closed' where category = 'Maintenance'`)
	t.Logf("updated %d rows in %v", rows, time.Since(began).Round(time.Millisecond))
	pgtest.Exec(t, other, small)
	quick.Wait()
	t.Logf("two clients are complete after %v", time.Since(began).Round(time.Millisecond))
	close(fast)
	slow.Wait()
	peak := memory()
	t.Logf("all clients are complete after %v; the heap grew by at most %d MB, the feed's limit is %d MB",
		time.Since(began).Round(time.Millisecond), peak>>20, limits.feed>>20)
	if most := int64(limits.held + limits.held*gcPercent/100 + maxExtraHeap); peak > most {
		t.Errorf("the heap grew by %d MB, want at most %d", peak>>20, most>>20)
	}
}

// watchHeap measures the live heap repeatedly. The returned function stops it and returns by how many bytes
// the heap grew at most.
func watchHeap(ctx context.Context) func() int64 {
	live := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	first := live()
	ctx, stop := context.WithCancel(ctx)
	result := make(chan int64)
	go func() {
		peak := first
		interval := time.NewTicker(100 * time.Millisecond)
		defer interval.Stop()
		for {
			peak = max(peak, live())
			select {
			case <-interval.C:
			case <-ctx.Done():
				result <- peak - first
				return
			}
		}
	}()
	return func() int64 { stop(); return <-result }
}

// bulk is a transaction that a reader expects.
type bulk struct {
	events int
	status string // of each activity
}

// bulkReader reads a stream and keeps only what it checks, since the heap is measured.
type bulkReader struct {
	want   []bulk
	pause  <-chan struct{} // after the first event, wait until it is closed
	last   int64           // id of the last event
	cursor string          // after the last transaction
}

// startReaders connects the readers and returns. They run until they have read what they want.
func startReaders(ctx context.Context, t *testing.T, n *node, all ...*bulkReader) *sync.WaitGroup {
	t.Helper()
	var running sync.WaitGroup
	for _, c := range all {
		f := openFrames(ctx, t, n)
		c.cursor = f.cursor
		running.Go(func() {
			if c.pause != nil {
				<-c.pause
			}
			for i, w := range c.want {
				if err := c.resumeRead(ctx, t, n, f, w); err != nil {
					t.Errorf("transaction %d: %v", i, err)
					return
				}
			}
		})
	}
	return &running
}

// resumeRead reads one transaction. It resumes after the one before if the stream ends within.
func (c *bulkReader) resumeRead(ctx context.Context, t *testing.T, n *node, f *frames, want bulk) error {
	for last := c.last; ; c.last = last {
		err := c.read(f.in, want)
		if err == nil || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) || ctx.Err() != nil {
			return err
		}
		t.Logf("resuming: %v", err)
		f.in = bufio.NewReader(ask(ctx, t, n.at("/api/events?since="+url.QueryEscape(c.cursor))).Body)
	}
}

// read reads one transaction. The id line stands before its last event.
func (c *bulkReader) read(in *bufio.Reader, want bulk) error {
	for n, complete := 0, ""; ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return fmt.Errorf("after %d events: %w", n, err)
		}
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			complete = strings.TrimSpace(id)
			continue
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		if aboutStream(data) {
			complete = ""
			continue
		}
		if err := c.check(data, want); err != nil {
			return fmt.Errorf("after %d events: %w", n, err)
		}
		if n++; complete != "" && n != want.events {
			return fmt.Errorf("%d events, want %d", n, want.events)
		}
		if complete != "" {
			c.cursor = complete
			return nil
		}
	}
}

// check checks the event, and that its id grows, so that none arrives twice.
func (c *bulkReader) check(data string, want bulk) error {
	// Decoding so many events would take most of the test's time.
	number, _, _ := strings.Cut(strings.TrimPrefix(data, `{"id":`), ",")
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return err
	}
	if id <= c.last || !strings.Contains(data, `"status":"`+want.status+`"`) {
		return fmt.Errorf("event %.200s after %d, want status %s", data, c.last, want.status)
	}
	c.last = id
	return nil
}

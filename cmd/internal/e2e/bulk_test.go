package e2e

import (
	"bufio"
	"context"
	"flag"
	"fmt"
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

var bulkRows = flag.Int("bulk.rows", 20_000, "rows of TestBulkPeak")

// peakMemory is how much more than the feed's limit may be in use at any moment while a large
// transaction passes: in the server, and in three clients that live in the same process.
const peakMemory = 20 << 20

// bulkBytes is what a row takes in the feed, in two transactions.
const bulkBytes = 1300

// TestBulkPeak is about memory on the way, and about neighbours: one statement changes all rows
// while others write. Each client sees the large transaction in one piece between theirs, and
// what is in use never exceeds the bound, not even with a client that reads nothing until the
// others have everything.
func TestBulkPeak(t *testing.T) {
	for name, feed := range map[string]int{"from the feed": *bulkRows * bulkBytes, "from the log": 1 << 20} {
		t.Run(name, func(t *testing.T) { runBulkPeak(t, *bulkRows, feed) })
	}
}

func runBulkPeak(t *testing.T, rows, feed int) {
	ctx := testContext(t)
	url := pgtest.EmptyDatabase(t)
	n := newNode(url, func(c *server.Config) { c.Tuning.FeedBytes, c.Tuning.WriteTimeout = int64(feed), 4*time.Minute })
	startNodes(ctx, t, n)
	defer n.end(t)
	conn := pgtest.Connect(t, url)
	// What becomes garbage while the collector runs counts as in use. This bounds it, whatever else
	// the machine has to do: who allocates has to help before the heap is larger by that much.
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	memory := watchHeap(ctx)
	began := time.Now()
	first := readers(ctx, t, n, &bulkReader{want: []bulk{{rows, "open"}}})
	pgtest.Exec(t, conn, `insert into activities (category, subcategory, location, reporter)
		select 'Maintenance', 'Pump', 'HQ', 'somebody' from generate_series(1, $1)`, rows)
	t.Logf("inserted %d rows in %v", rows, time.Since(began).Round(time.Millisecond))
	first.Wait()
	fast := make(chan struct{})
	want := []bulk{{1, "open"}, {rows, "closed"}, {1, "open"}}
	quick := readers(ctx, t, n, &bulkReader{want: want}, &bulkReader{want: want})
	slow := readers(ctx, t, n, &bulkReader{want: want, pause: fast})
	other := pgtest.Connect(t, url)
	note := `insert into activities (category, subcategory, location, reporter) values ('a', 'b', 'c', 'd')`
	pgtest.Exec(t, other, note)
	began = time.Now()
	pgtest.Exec(t, conn, `update activities set status = 'closed' where category = 'Maintenance'`)
	t.Logf("updated %d rows in %v", rows, time.Since(began).Round(time.Millisecond))
	pgtest.Exec(t, other, note)
	quick.Wait()
	t.Logf("two clients had everything after %v", time.Since(began).Round(time.Millisecond))
	close(fast)
	slow.Wait()
	peak := memory()
	t.Logf("all had after %v; in use at most %d MB more than before, the feed's limit is %d MB",
		time.Since(began).Round(time.Millisecond), peak>>20, feed>>20)
	if peak > int64(feed+peakMemory) {
		t.Errorf("%d MB were in use, want at most %d", peak>>20, (feed+peakMemory)>>20)
	}
}

// watchHeap measures what is in use, again and again. The returned function ends that and tells how
// much more it was at most than at first.
func watchHeap(ctx context.Context) func() int64 {
	inUse := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	first := inUse()
	ctx, stop := context.WithCancel(ctx)
	result := make(chan int64)
	go func() {
		peak := first
		interval := time.NewTicker(100 * time.Millisecond)
		defer interval.Stop()
		for {
			peak = max(peak, inUse())
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

// bulk is a transaction that a reader is to see.
type bulk struct {
	events int
	status string // of each activity
}

// bulkReader keeps of a stream no more than the numbers that the check needs.
type bulkReader struct {
	want  []bulk
	pause <-chan struct{} // reads nothing after the first event until this is closed
	last  int64           // event seen
}

// readers reads with each until it has seen what it wants. It returns when all have begun.
func readers(ctx context.Context, t *testing.T, n *node, all ...*bulkReader) *sync.WaitGroup {
	t.Helper()
	var running sync.WaitGroup
	for _, c := range all {
		f := openFrames(ctx, t, n)
		running.Go(func() {
			if c.pause != nil {
				<-c.pause
			}
			for i, w := range c.want {
				if err := c.read(f.in, w); err != nil {
					t.Errorf("transaction %d: %v", i, err)
					return
				}
			}
		})
	}
	return &running
}

// read reads one transaction: lines of data, and an id before the last.
func (c *bulkReader) read(in *bufio.Reader, want bulk) error {
	for n, complete := 0, false; ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return fmt.Errorf("after %d events: %w", n, err)
		}
		if strings.HasPrefix(line, "id: ") {
			complete = true
			continue
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		if err := c.take(data, want); err != nil {
			return fmt.Errorf("after %d events: %w", n, err)
		}
		if n++; complete && n != want.events {
			return fmt.Errorf("%d events, want %d", n, want.events)
		}
		if complete {
			return nil
		}
	}
}

// take checks that the event is a later one, and so that none comes twice.
func (c *bulkReader) take(data string, want bulk) error {
	// To decode so many events would take most of the test's time.
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

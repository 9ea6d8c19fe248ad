package writes

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/stats"
)

// UpdateSQL is one transaction of a writer. The column has no index: the update is cheap, so the cost of
// a trigger weighs most.
const UpdateSQL = `update public.activities set location = 'room ' || $2::text where id = $1::uuid`

// ActivityID returns the id of activity number i.
func ActivityID(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", i) }

// WritersConfig configures a process of writers.
type WritersConfig struct {
	DatabaseURL string `json:"databaseURL"`
	Rows        int    `json:"rows"` // activities to choose from
}

// WritersOrder has a number of clients update as fast as they can. They stay connected until the next
// order, because PostgreSQL's CPU time is measured while their backends live. An order for no clients
// disconnects them.
type WritersOrder struct {
	Clients  int           `json:"clients"`
	First    int64         `json:"first"`  // number of the first update
	Warmup   time.Duration `json:"warmup"` // not counted
	Duration time.Duration `json:"duration"`
}

// WritersResult answers an order.
type WritersResult struct {
	Last         int64           `json:"last"` // number of the last update, warm-up included
	Transactions int64           `json:"transactions"`
	Seconds      float64         `json:"seconds"`
	Latency      stats.Histogram `json:"latency"` // µs
	Error        string          `json:"error,omitempty"`
}

// RunWriters is the process of writers: it carries out orders from in until in ends.
func RunWriters(ctx context.Context, config string, in io.Reader, out io.Writer) error {
	var c WritersConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return fmt.Errorf("read the configuration of the writers: %w", err)
	}
	answers := json.NewEncoder(out)
	var w writers
	defer func() { w.close(ctx) }()
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var o WritersOrder
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return fmt.Errorf("read an order: %w", err)
		}
		w.close(ctx)
		r, err := WritersResult{Last: o.First - 1}, error(nil)
		if w, err = c.connect(ctx, o.Clients); err == nil {
			r, err = w.write(o)
		}
		if err != nil {
			r.Error = err.Error()
		}
		if err := answers.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// writers are connected clients.
type writers struct {
	rows  int
	conns []*pgconn.PgConn
}

// connect connects a number of clients. With an error it returns those that are connected, for close.
func (c WritersConfig) connect(ctx context.Context, clients int) (w writers, err error) {
	w.rows = c.Rows
	for range clients {
		conn, err := pgconn.Connect(ctx, c.DatabaseURL)
		if err != nil {
			return w, fmt.Errorf("connect a writer: %w", err)
		}
		w.conns = append(w.conns, conn)
		if _, err := conn.Prepare(ctx, "w", UpdateSQL, nil); err != nil {
			return w, fmt.Errorf("prepare the update: %w", err)
		}
	}
	return w, nil
}

func (w writers) close(ctx context.Context) {
	for _, conn := range w.conns {
		_ = conn.Close(ctx)
	}
}

// write runs all clients for the warm-up and the duration, and sums their results.
func (w writers) write(o WritersOrder) (sum WritersResult, err error) {
	var next atomic.Int64
	next.Store(o.First)
	from := time.Now().Add(o.Warmup)
	to := from.Add(o.Duration)
	results, errs := make([]WritersResult, o.Clients), make([]error, o.Clients)
	var running sync.WaitGroup
	for i, conn := range w.conns {
		running.Go(func() { errs[i] = w.update(conn, &next, from, to, &results[i]) })
	}
	running.Wait()
	for i := range results {
		sum.Transactions += results[i].Transactions
		sum.Latency.Merge(results[i].Latency.Pack())
	}
	sum.Last, sum.Seconds, sum.Latency = next.Load()-1, o.Duration.Seconds(), sum.Latency.Pack()
	return sum, errors.Join(errs...)
}

// update runs one client until to. It counts transactions that begin and end within [from, to). It takes no
// context: a statement takes no time, and the process ends with its parent.
func (w writers) update(conn *pgconn.PgConn, next *atomic.Int64, from, to time.Time, r *WritersResult) error {
	ctx := context.Background()
	for {
		began := time.Now()
		if !began.Before(to) {
			return nil
		}
		params := [][]byte{[]byte(ActivityID(1 + rand.IntN(w.rows))), strconv.AppendInt(nil, next.Add(1)-1, 10)}
		if result := conn.ExecPrepared(ctx, "w", params, nil, nil).Read(); result.Err != nil {
			return fmt.Errorf("update an activity: %w", result.Err)
		}
		if ended := time.Now(); !began.Before(from) && ended.Before(to) {
			r.Transactions++
			r.Latency.Add(ended.Sub(began).Microseconds(), 1)
		}
	}
}

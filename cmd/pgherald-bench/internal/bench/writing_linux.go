package bench

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
)

// writeConfig says what a process of writers writes to.
type writeConfig struct {
	DatabaseURL string `json:"databaseURL"`
	Rows        int    `json:"rows"`
}

// writeOrder has so many clients update as fast as they can. They stay connected until the next
// order, as what they have used of Postgres's CPU time can be read only as long as their backends
// live; one for no clients has them go.
type writeOrder struct {
	Clients int           `json:"clients"`
	First   int64         `json:"first"` // number of the first update
	Warm    time.Duration `json:"warm"`  // what is not counted
	Lasting time.Duration `json:"lasting"`
}

// written is what came of it.
type written struct {
	Last         int64     `json:"last"` // number of the last update, warm-up included
	Transactions int64     `json:"transactions"`
	Seconds      float64   `json:"seconds"`
	Latency      histogram `json:"latency"`
	Error        string    `json:"error,omitempty"`
}

// updateSQL is one transaction. The column has no index: the update itself is cheap, so that what a
// trigger adds weighs most.
const updateSQL = `update public.activities set location = 'room ' || $2::text where id = $1::uuid`

// runWriters is a process of writers: it obeys orders from in until that ends.
func runWriters(ctx context.Context, config string, in io.Reader, out io.Writer) error {
	var c writeConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return fmt.Errorf("read what to write to: %w", err)
	}
	answers := json.NewEncoder(out)
	var clients writeClients
	defer func() { clients.close(ctx) }()
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var o writeOrder
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return fmt.Errorf("read an order: %w", err)
		}
		clients.close(ctx)
		w, err := written{Last: o.First - 1}, error(nil)
		if clients, err = c.connect(ctx, o.Clients); err == nil {
			w, err = clients.write(o)
		}
		if err != nil {
			w.Error = err.Error()
		}
		if err := answers.Encode(w); err != nil {
			return err
		}
	}
	return nil
}

// writeClients are connected to write.
type writeClients struct {
	rows  int
	conns []*pgconn.PgConn
}

// connect connects so many. Those that could be are returned even if another could not.
func (c writeConfig) connect(ctx context.Context, clients int) (w writeClients, err error) {
	w.rows = c.Rows
	for range clients {
		conn, err := pgconn.Connect(ctx, c.DatabaseURL)
		if err != nil {
			return w, fmt.Errorf("connect to write: %w", err)
		}
		w.conns = append(w.conns, conn)
		if _, err := conn.Prepare(ctx, "w", updateSQL, nil); err != nil {
			return w, fmt.Errorf("prepare the update: %w", err)
		}
	}
	return w, nil
}

func (c writeClients) close(ctx context.Context) {
	for _, conn := range c.conns {
		_ = conn.Close(ctx)
	}
}

// write has everybody write, and adds up.
func (c writeClients) write(o writeOrder) (w written, err error) {
	var next atomic.Int64
	next.Store(o.First)
	from := time.Now().Add(o.Warm)
	to := from.Add(o.Lasting)
	counts, errs := make([]written, o.Clients), make([]error, o.Clients)
	var running sync.WaitGroup
	for i, conn := range c.conns {
		running.Go(func() { errs[i] = c.update(conn, &next, from, to, &counts[i]) })
	}
	running.Wait()
	for i := range counts {
		w.Transactions += counts[i].Transactions
		w.Latency.merge(counts[i].Latency.pack())
	}
	w.Last, w.Seconds, w.Latency = next.Load()-1, o.Lasting.Seconds(), w.Latency.pack()
	return w, errors.Join(errs...)
}

// update is one client. Only what begins and ends within the time is counted. It does not look at a
// context, as a statement takes no time: the process ends when its parent does.
func (c writeClients) update(conn *pgconn.PgConn, next *atomic.Int64, from, to time.Time, w *written) error {
	ctx := context.Background()
	for {
		began := time.Now()
		if !began.Before(to) {
			return nil
		}
		params := [][]byte{[]byte(activityID(1 + rand.IntN(c.rows))), strconv.AppendInt(nil, next.Add(1)-1, 10)}
		if result := conn.ExecPrepared(ctx, "w", params, nil, nil).Read(); result.Err != nil {
			return fmt.Errorf("update an activity: %w", result.Err)
		}
		if ended := time.Now(); !began.Before(from) && ended.Before(to) {
			w.Transactions++
			w.Latency.add(ended.Sub(began).Microseconds(), 1)
		}
	}
}

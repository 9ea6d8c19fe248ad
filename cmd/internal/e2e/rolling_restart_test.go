package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
)

// docs/benchmarks.md has the result of go test ./cmd/internal/e2e -run TestRollingRestart -v -args
// -rolling.clients=10000 -rolling.drain=10s
var (
	rollingClients = flag.Int("rolling.clients", 100, "clients of TestRollingRestart")
	rollingDrain   = flag.Duration("rolling.drain", time.Second, "--drain of the servers")
)

// rolling is two replicas behind a load balancer, with clients that behave like EventSource.
type rolling struct {
	*testing.T
	ctx context.Context

	mu         sync.Mutex
	inUse      []*replica  // to which the balancer sends clients
	reconnects []time.Time // of all clients
	failures   []error
	last       int64         // id of the last event, 0 until it is known
	connected  int           // clients
	changed    chan struct{} // closed when connected changes
}

// use makes the balancer send clients to these replicas.
func (r *rolling) use(replicas ...*replica) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inUse = replicas
}

// pick returns a replica in use and counts a request to it. The client must call requests.Done.
func (r *rolling) pick() *replica {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.inUse[rand.IntN(len(r.inUse))]
	p.requests.Add(1)
	return p
}

// replica is a process of its own, so that its limit of open files applies.
type replica struct {
	binary, url string
	program     *program
	addr        string
	requests    sync.WaitGroup // of clients, without a response yet
}

func (p *replica) start(t *testing.T) {
	var url string
	p.program, url = serveProgram(t, p.binary, p.url, "--drain="+rollingDrain.String())
	p.addr = strings.TrimPrefix(url, "http://")
}

// stop drains the replica and waits for its end. The balancer must not send clients to it any more; stop lets
// it answer the last requests first.
func (p *replica) stop(t *testing.T) {
	p.requests.Wait()
	p.program.signal(t, syscall.SIGTERM)
	<-p.program.ended
	if p.program.err != nil {
		t.Errorf("a replica ended with %v", p.program.err)
	}
}

// client reads the stream until the last event, and reconnects as often as it ends.
func (r *rolling) client() {
	c := &rollingClient{rolling: r, retry: 3 * time.Second}
	for first := true; ; first = false {
		err := c.connect(first)
		if errors.Is(err, io.EOF) && c.complete() {
			return
		}
		if err != nil && !errors.Is(err, io.EOF) || r.ctx.Err() != nil {
			r.mu.Lock()
			r.failures = append(r.failures, fmt.Errorf("after event %d: %w", c.seen, errors.Join(err, r.ctx.Err())))
			r.mu.Unlock()
			return
		}
		pause(r.ctx, c.retry)
	}
}

// rollingClient checks that each event arrives once. The events of the only writer have growing ids, so the
// last id and the number of events suffice.
type rollingClient struct {
	*rolling
	retry  time.Duration
	cursor string
	seen   int64 // id of the last event
	events int
}

// complete reports whether the last event has arrived.
func (c *rollingClient) complete() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last != 0 && c.seen == c.last
}

// connect returns io.EOF when the stream has ended or the server cannot be reached: an EventSource then
// reconnects.
func (c *rollingClient) connect(first bool) error {
	to := c.pick()
	response, err := c.request(to)
	to.requests.Done()
	if err != nil {
		return io.EOF
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status) // an EventSource would give up
	}
	if !first {
		c.mu.Lock()
		c.reconnects = append(c.reconnects, time.Now())
		c.mu.Unlock()
	}
	c.countConnection(1)
	defer c.countConnection(-1)
	return c.read(response.Body)
}

// request opens a stream and returns once its header has arrived. Close of the body closes the connection.
func (c *rollingClient) request(to *replica) (*http.Response, error) {
	return openRawStream(c.ctx, to.addr, "/api/events?types=activity_created", c.cursor)
}

// openRawStream opens a stream with little memory for the client. The end of ctx closes it, too.
func openRawStream(ctx context.Context, addr, path, cursor string) (*http.Response, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	header := ""
	if cursor != "" {
		header = "Last-Event-ID: " + cursor + "\r\n"
	}
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, header)
	if err != nil {
		stop()
		return nil, errors.Join(err, conn.Close())
	}
	response, err := http.ReadResponse(bufio.NewReaderSize(conn, 1024), nil)
	if err != nil {
		stop()
		return nil, errors.Join(err, conn.Close())
	}
	response.Body = connBody{response.Body, conn, stop}
	return response, nil
}

// connBody is the body of a response that closes its connection.
type connBody struct {
	io.Reader
	conn net.Conn
	stop func() bool
}

// Close closes the connection.
func (b connBody) Close() error {
	b.stop()
	return b.conn.Close()
}

// read reads the fields of a stream.
func (c *rollingClient) read(body io.Reader) error {
	lines := bufio.NewScanner(body)
	id := ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "retry":
			ms, err := strconv.Atoi(value)
			if err != nil {
				return err
			}
			c.retry = time.Duration(ms) * time.Millisecond
		case "id":
			id = value
		case "data":
			if err := c.receive([]byte(value)); err != nil {
				return err
			}
			if id != "" {
				c.cursor = id
			}
			if c.complete() {
				return io.EOF
			}
		}
	}
	return io.EOF
}

// receive checks an event.
func (c *rollingClient) receive(data []byte) error {
	var e struct {
		ID   int64
		Type string
		Data struct{ Mode string }
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	switch {
	case e.Type == "sync" && e.Data.Mode == "reset":
		return errors.New("a reset")
	case e.Type == "activity_created" && e.ID <= c.seen:
		return fmt.Errorf("event %d arrived after %d", e.ID, c.seen)
	case e.Type == "activity_created":
		c.events, c.seen = c.events+1, e.ID
	}
	if c.complete() {
		return c.checkCount()
	}
	return nil
}

// checkCount compares the number of events with the log. All clients connected before the first event.
func (c *rollingClient) checkCount() error {
	if c.events != int(c.last) { // in a new log with one writer, the id is the number
		return fmt.Errorf("%d events of %d", c.events, c.last)
	}
	return nil
}

// countConnection adds n to the connected clients.
func (r *rolling) countConnection(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.connected += n
	close(r.changed)
	r.changed = make(chan struct{})
}

// await waits until a number of clients are connected.
func (r *rolling) await(clients int) {
	for {
		r.mu.Lock()
		connected, changed := r.connected, r.changed
		r.mu.Unlock()
		if connected >= clients {
			return
		}
		select {
		case <-changed:
		case <-r.ctx.Done():
			r.Fatalf("%d of %d clients are connected", connected, clients)
		}
	}
}

// TestRollingRestart restarts both replicas, one after the other, under writes. Each client receives each event
// once. The spread of the reconnects is logged; docs/benchmarks.md has a run with 10,000 clients.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	r := &rolling{T: t, ctx: ctx, changed: make(chan struct{})}
	url := pgtest.NewDatabase(t)
	a, b := &replica{binary: buildProgram(t), url: url}, &replica{url: url}
	b.binary = a.binary
	a.start(t)
	b.start(t)
	r.use(a, b)
	var clients sync.WaitGroup
	for i := range *rollingClients {
		clients.Go(r.client)
		if i%100 == 99 {
			r.await(i - 500) // not more at once than the socket's backlog
		}
	}
	r.await(*rollingClients)
	conn := pgtest.Connect(t, url)
	writing, stop := context.WithCancel(ctx)
	var writer sync.WaitGroup
	var last int64
	writer.Go(func() { last = r.write(writing, conn) })
	for n, other := range map[*replica]*replica{a: b, b: a} {
		before := len(r.reconnectTimes())
		r.use(other)
		began := time.Now()
		n.stop(t)
		n.start(t)
		t.Logf("restarted in %v", time.Since(began).Round(time.Millisecond))
		r.await(*rollingClients) // all have reconnected
		r.use(a, b)
		r.report(r.reconnectTimes()[before:])
	}
	stop()
	writer.Wait()
	r.mu.Lock()
	r.last = last
	r.mu.Unlock()
	pgtest.Exec(t, conn, `insert into public.activities (category, subcategory, location, reporter) values ('last', 's', 'l', 'r')`)
	clients.Wait()
	for i, err := range r.failures {
		if t.Errorf("a client failed: %v", err); i == 10 {
			break
		}
	}
	if len(r.failures) > 0 {
		t.Errorf("%d of %d clients failed", len(r.failures), *rollingClients)
	}
}

// write creates activities until ctx ends, and returns the id of the event that follows.
func (r *rolling) write(ctx context.Context, conn *pgx.Conn) int64 {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		pgtest.Exec(r.T, conn, `insert into public.activities (category, subcategory, location, reporter) values ('c', 's', 'l', 'r')`)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	var id int64
	if err := conn.QueryRow(r.ctx, `select max(id) + 1 from pgherald.events`).Scan(&id); err != nil {
		r.Error(err)
	}
	return id
}

func (r *rolling) reconnectTimes() []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.reconnects)
}

// report logs the most reconnects within one second.
func (r *rolling) report(reconnects []time.Time) {
	most, from := 0, 0
	for i, at := range reconnects {
		for reconnects[from].Before(at.Add(-time.Second)) {
			from++
		}
		most = max(most, i-from+1)
	}
	if len(reconnects) > 0 {
		r.Logf("%d clients reconnected within %v, at most %d (%.0f %% of them, %.0f %% of all) in one second", len(reconnects),
			reconnects[len(reconnects)-1].Sub(reconnects[0]).Round(time.Millisecond), most,
			100*float64(most)/float64(len(reconnects)), 100*float64(most)/float64(*rollingClients))
	}
}

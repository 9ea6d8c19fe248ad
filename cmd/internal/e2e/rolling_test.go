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
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
)

// The measured run of docs/benchmarks.md: go test ./cmd/internal/e2e -run TestRollingRestart -v -args
// -rolling.clients=10000 -rolling.drain=10s
var (
	rollingClients = flag.Int("rolling.clients", 100, "clients of TestRollingRestart")
	rollingDrain   = flag.Duration("rolling.drain", time.Second, "--drain of its servers")
)

// rolling is a deployment of two replicas behind a balancer, and clients that do no more than an EventSource
// does.
type rolling struct {
	*testing.T
	ctx context.Context

	mu       sync.Mutex
	inUse    []*replica  // whom the balancer sends clients to
	returned []time.Time // reconnects
	failures []error
	last     int64 // the id of the last event that was written, once no more are
	there    int   // clients that are connected
	changed  chan struct{}
}

// use makes the balancer send clients to these from now on.
func (r *rolling) use(nodes ...*replica) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inUse = nodes
}

// pick returns one of them, with a request counted. The client must call requests.Done.
func (r *rolling) pick() *replica {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.inUse[rand.IntN(len(r.inUse))]
	p.requests.Add(1)
	return p
}

// replica is the real program, so that open files are counted as they are in earnest.
type replica struct {
	binary, url string
	program     *program
	addr        string
	requests    sync.WaitGroup // sent by clients and not yet answered
}

func (p *replica) start(t *testing.T) {
	var at string
	p.program, at = serveProgram(t, p.binary, p.url, "--drain="+rollingDrain.String())
	p.addr = strings.TrimPrefix(at, "http://")
}

// stop ends it as a deployment does: when the balancer sends no clients any more, and the last requests are
// answered.
func (p *replica) stop(t *testing.T) {
	p.requests.Wait()
	p.program.signal(t, syscall.SIGTERM)
	<-p.program.ended
	if p.program.err != nil {
		t.Errorf("a replica ended with %v", p.program.err)
	}
}

// client hears the stream until it has the last event, however often it has to reconnect.
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

// rollingClient checks that each event comes once: one writer's events come with growing ids, so it is enough
// to know the last one and how many there were.
type rollingClient struct {
	*rolling
	retry  time.Duration
	cursor string
	seen   int64 // the last event
	events int
}

func (c *rollingClient) complete() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last != 0 && c.seen == c.last
}

// connect returns io.EOF when the server has ended the stream or cannot be reached: an EventSource then
// comes again.
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
		c.returned = append(c.returned, time.Now())
		c.mu.Unlock()
	}
	c.come(1)
	defer c.come(-1)
	return c.read(response.Body)
}

// request opens a stream and returns when its header has come. Closing the body closes the connection.
func (c *rollingClient) request(to *replica) (*http.Response, error) {
	conn, err := (&net.Dialer{}).DialContext(c.ctx, "tcp", to.addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(c.ctx, func() { conn.Close() })
	header := ""
	if c.cursor != "" {
		header = "Last-Event-ID: " + c.cursor + "\r\n"
	}
	_, err = fmt.Fprintf(conn, "GET /api/events?types=activity_created HTTP/1.1\r\nHost: pgherald\r\n%s\r\n", header)
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

// connBody is the body of a response that closes the connection too.
type connBody struct {
	io.Reader
	conn net.Conn
	stop func() bool
}

func (b connBody) Close() error {
	b.stop()
	return b.conn.Close()
}

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
			if err := c.hear([]byte(value)); err != nil {
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

func (c *rollingClient) hear(data []byte) error {
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
		return fmt.Errorf("event %d comes after %d", e.ID, c.seen)
	case e.Type == "activity_created":
		c.events, c.seen = c.events+1, e.ID
	}
	if c.complete() {
		return c.count()
	}
	return nil
}

// count compares the number of events with what the log holds: every client was there before the first.
func (c *rollingClient) count() error {
	if c.events != int(c.last) { // each write is one event, of one writer alone, in a new log
		return fmt.Errorf("%d events of %d", c.events, c.last)
	}
	return nil
}

// come notes that a client has come, or gone.
func (r *rolling) come(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.there += n
	close(r.changed)
	r.changed = make(chan struct{})
}

// await waits until so many clients are there.
func (r *rolling) await(clients int) {
	for {
		r.mu.Lock()
		there, changed := r.there, r.changed
		r.mu.Unlock()
		if there >= clients {
			return
		}
		select {
		case <-changed:
		case <-r.ctx.Done():
			r.Fatalf("%d of %d clients are there", there, clients)
		}
	}
}

// TestRollingRestart restarts both replicas, one after the other, while events are written. Every client hears
// every event once. How the reconnects are spread is logged: docs/benchmarks.md has a run of 10,000.
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
			r.await(i - 500) // as many at once as a listener's backlog takes
		}
	}
	r.await(*rollingClients)
	conn := pgtest.Connect(t, url)
	writing, stop := context.WithCancel(ctx)
	var writer sync.WaitGroup
	var last int64
	writer.Go(func() { last = r.write(writing, conn) })
	for n, other := range map[*replica]*replica{a: b, b: a} {
		before := len(r.comings())
		r.use(other)
		began := time.Now()
		n.stop(t)
		n.start(t)
		t.Logf("restarted in %v", time.Since(began).Round(time.Millisecond))
		r.await(*rollingClients) // all who left are back
		r.use(a, b)
		r.report(r.comings()[before:])
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

// write writes an activity after the other, and returns the id of the event that the next one will have.
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

func (r *rolling) comings() []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]time.Time(nil), r.returned...)
}

// report says how many came at most in one second.
func (r *rolling) report(comings []time.Time) {
	most, from := 0, 0
	for i, at := range comings {
		for comings[from].Before(at.Add(-time.Second)) {
			from++
		}
		most = max(most, i-from+1)
	}
	if len(comings) > 0 {
		r.Logf("%d clients returned within %v, at most %d (%.0f %% of them, %.0f %% of all) in one second", len(comings),
			comings[len(comings)-1].Sub(comings[0]).Round(time.Millisecond), most,
			100*float64(most)/float64(len(comings)), 100*float64(most)/float64(*rollingClients))
	}
}

package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
)

var (
	memoryReaders = flag.Int("memory.readers", 24, "clients of each case of TestMemory")
	memoryEvents  = flag.Int("memory.events", 2000, "events of 1 KB in the log of each case of TestMemory")
)

const (
	memoryBudget = 64 << 20
	memorySlack  = 64 << 20
)

// memoryTest is a server with a small budget, a log with a history, and healthy clients.
type memoryTest struct {
	*testing.T
	ctx     context.Context
	program *program
	address string
	conn    *pgx.Conn
	tls     *tls.Config // nil if the clients do not use TLS
	healthy []*rawStream
	started string // cursor before the history
}

// TestMemory does to servers what once took gigabytes, or delayed all clients. Each must stay within its budget,
// and its healthy clients must receive every event.
func TestMemory(t *testing.T) {
	t.Parallel()
	binary := buildProgram(t)
	for name, test := range map[string]func(*memoryTest){
		"a huge row that no client wants": (*memoryTest).hugeRow,
		"large rows that no client wants": (*memoryTest).unwantedRows,
		"old cursors and slow readers":    (*memoryTest).slowReaders,
		"resumes from the oldest cursor":  (*memoryTest).resumes,
		"large filters":                   (*memoryTest).largeFilters,
		"large bodies":                    (*memoryTest).largeBodies,
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemoryTest(t, binary, "--feed-bytes=1MiB")
			test(m)
			m.checkPeak()
		})
	}
}

func newMemoryTest(t *testing.T, binary string, args ...string) *memoryTest {
	return openMemoryTest(t, binary, nil, args...)
}

func openMemoryTest(t *testing.T, binary string, config *tls.Config, args ...string) *memoryTest {
	m := &memoryTest{T: t, ctx: testContext(t), tls: config}
	database := pgtest.NewDatabase(t)
	p, at := serveProgram(t, binary, database, append(args, fmt.Sprintf("--memory=%d", memoryBudget))...)
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	m.program, m.address, m.conn = p, u.Host, pgtest.Connect(t, database)
	for range 5 {
		s := m.open("/api/events?types=healthy,end&unknown=allow", 0)
		for m.started = ""; m.started == "" && !t.Failed(); { // a stream that is stale for a moment has none yet
			m.started = s.await(`"sync"`).id
		}
		m.healthy = append(m.healthy, s)
	}
	return m
}

// write appends n events with random payloads, which PostgreSQL cannot compress, in transactions of up to 50.
func (m *memoryTest) write(eventType string, n, bytes int) {
	for left := n; left > 0; left -= 50 {
		pgtest.Exec(m, m.conn, fmt.Sprintf(`
			with written as (
				insert into pgherald.events (type, data)
				select '%s', to_json((select string_agg(md5(random()::text || i || g), '') from generate_series(1, %d) as g))
				from generate_series(1, %d) as i
				returning 1
			)
			select pgherald.wake('{}') from (select count(*) from written) as n`, eventType, max(1, bytes/32), min(left, 50)))
	}
}

// latencies writes n events for the healthy clients, one after the other, and returns the sorted times until
// all of them have received each.
func (m *memoryTest) latencies(n int) []time.Duration {
	var times []time.Duration
	for range n {
		began := time.Now()
		m.write("healthy", 1, 100)
		for _, s := range m.healthy {
			s.await(`"healthy"`)
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	return times
}

// hugeRow writes a row of 64 MB while clients that select other types are connected and resume.
func (m *memoryTest) hugeRow() {
	var others []*rawStream
	for range 20 {
		others = append(others, m.open("/api/events?types=other,end&unknown=allow&since="+m.started, 0))
	}
	pgtest.Exec(m, m.conn, `insert into pgherald.events (type, data) select 'huge', to_json(string_agg(md5(i::text), '')) from generate_series(1, 2000000) i`)
	m.write("other", 10, 100)
	for range 20 {
		others = append(others, m.open("/api/events?types=other,end&unknown=allow&since="+m.started, 0))
	}
	all := m.open("/api/events?since="+m.started, 0)
	m.write("end", 1, 10)
	for _, s := range others {
		if n := s.await(`"end"`).count; n != 10 {
			m.Errorf("a client received %d events, want 10", n)
		}
	}
	if frame := all.await(`"huge"`); !strings.Contains(frame.data, `"oversized":true`) {
		m.Errorf("got %.200s", frame.data)
	}
	m.latencies(5)
}

// unwantedRows lets clients resume past events of 1 MB that they do not select.
func (m *memoryTest) unwantedRows() {
	m.write("large", 30, 1<<20)
	m.write("other", 10, 100)
	m.write("end", 1, 10)
	var others []*rawStream
	for i := range *memoryReaders {
		others = append(others, m.open(fmt.Sprintf("/api/events?types=other,end,unused%d&unknown=allow&since=%s", i%7, m.started), 0))
	}
	for _, s := range others {
		if n := s.await(`"end"`).count; n != 10 {
			m.Errorf("a client received %d events, want 10", n)
		}
	}
	m.latencies(5)
}

// slowReaders resume from different old cursors; every second one reads nothing.
func (m *memoryTest) slowReaders() {
	m.write("history", *memoryEvents, 1000)
	cursors := m.cursors()
	m.write("end", 1, 10)
	var reading sync.WaitGroup
	for i := range *memoryReaders {
		at := "/api/events?since=" + cursors[i*7%len(cursors)]
		if i%2 == 0 {
			m.open(at, 4096) // never read
			continue
		}
		s := m.open(at, 0)
		reading.Go(func() { s.await(`"end"`) }) // at once: the server closes what is not read for 30 s
	}
	m.latencies(20)
	reading.Wait()
}

// cursors returns cursors of the log's history.
func (m *memoryTest) cursors() (cursors []string) {
	s := m.open("/api/events?since="+m.started, 0)
	defer s.Close()
	for seen := 0; seen < *memoryEvents/2; {
		f := s.next()
		if f.id != "" {
			cursors = append(cursors, f.id)
		}
		seen++
	}
	return cursors
}

// resumes lets clients resume from the oldest cursor at once, while healthy ones receive events.
func (m *memoryTest) resumes() {
	m.write("history", *memoryEvents, 1000)
	m.latencies(20)
	quiet := m.latencies(100)
	began := time.Now()
	m.write("end", 1, 10)
	wait := readInChild(m.ctx, m.T, m.address, "/api/events?types=history,end&unknown=allow&since="+m.started, *memoryReaders, *memoryEvents)
	done := make(chan struct{})
	go func() { defer close(done); wait() }()
	var busy []time.Duration
	for running := true; running; {
		busy = append(busy, m.latencies(1)...)
		select {
		case <-done:
			running = false
		default:
		}
	}
	slices.Sort(busy)
	p95 := func(times []time.Duration) time.Duration {
		return times[len(times)*95/100].Round(100 * time.Microsecond)
	}
	m.Logf("%d resumes of %d events took %v; 95 %% of the events of healthy clients within %v before, %v meanwhile (of %d)",
		*memoryReaders, *memoryEvents, time.Since(began).Round(time.Millisecond), p95(quiet), p95(busy), len(busy))
}

// largeFilters opens streams with different filters of 15 KB, until the server refuses one.
func (m *memoryTest) largeFilters() {
	for i := 0; ; i++ {
		var query strings.Builder
		for n := range 15 {
			fmt.Fprintf(&query, "&key=%d-%d-%s", i, n, strings.Repeat("k", 950))
		}
		s := m.open("/api/events?types=x&unknown=allow"+query.String(), 0)
		if s.status != "HTTP/1.1 200 OK" {
			if !strings.HasPrefix(s.status, "HTTP/1.1 503") || i < 50 {
				m.Errorf("filter %d: %s", i, s.status)
			}
			break
		}
		if i > 1000 {
			m.Fatal("filters are not bounded")
		}
	}
	m.latencies(5)
}

// largeBodies sends bodies of 1 MiB but for the last byte.
func (m *memoryTest) largeBodies() {
	for range *memoryReaders {
		c := m.dial(0)
		fmt.Fprintf(c, "POST /api/events HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n", m.address)
		_ = c.SetWriteDeadline(time.Now().Add(10 * time.Second)) // a server that refuses the body reads no more of it
		_, _ = c.Write([]byte(`{"type":"x","data":"` + strings.Repeat("x", 999_000)))
	}
	m.latencies(5)
}

// checkPeak fails the test if the process has exceeded its budget.
func (m *memoryTest) checkPeak() {
	if peak := m.peak(); peak > memoryBudget+memorySlack {
		m.Errorf("the peak of the process's memory is %d MiB, above the budget of %d and %d", peak>>20, memoryBudget>>20, memorySlack>>20)
	} else {
		m.Logf("peak %d MiB", peak>>20)
	}
}

// peak returns the largest resident memory that the process has had, in bytes.
func (m *memoryTest) peak() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.program.cmd.Process.Pid))
	if err != nil {
		m.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		m.Fatal(err)
	}
	return n << 10
}

// rawStream is a stream over a socket of its own.
type rawStream struct {
	net.Conn
	m      *memoryTest
	in     *bufio.Reader
	status string
	count  int // events of the log so far
}

func (m *memoryTest) dial(buffer int) net.Conn {
	c, err := new(net.Dialer).DialContext(m.ctx, "tcp", m.address)
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() { c.Close() })
	if buffer > 0 {
		_ = c.(*net.TCPConn).SetReadBuffer(buffer)
	}
	if m.tls != nil {
		return tls.Client(c, m.tls)
	}
	return c
}

// open opens a stream. With a buffer, it is a client that does not read.
func (m *memoryTest) open(path string, buffer int) *rawStream {
	s := m.request(path, buffer, 64<<10)
	if buffer > 0 {
		return s
	}
	s.readHead()
	return s
}

// openSmall opens a stream of which little fits into the buffers of the client.
func (m *memoryTest) openSmall(path string) *rawStream {
	s := m.request(path, 4096, 4096)
	s.readHead()
	return s
}

func (m *memoryTest) request(path string, socketBuffer, readBuffer int) *rawStream {
	s := &rawStream{Conn: m.dial(socketBuffer), m: m}
	s.in = bufio.NewReaderSize(s.Conn, readBuffer)
	fmt.Fprintf(s, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, m.address)
	return s
}

func (s *rawStream) readHead() {
	for line := s.line(); line != ""; line = s.line() {
		if s.status == "" {
			s.status = line
		}
	}
}

func (s *rawStream) line() string {
	if end, ok := s.m.ctx.Deadline(); ok {
		_ = s.SetReadDeadline(end)
	}
	text, err := s.in.ReadString('\n')
	if err != nil {
		s.m.Errorf("the stream ended after %d events: %v", s.count, err)
		return ""
	}
	return strings.TrimRight(text, "\r\n")
}

// frame is an event as received: the value of its id line and its envelope, and the events before it.
type frame struct {
	id, data string
	count    int
}

// next returns the next frame.
func (s *rawStream) next() (f frame) {
	for !s.m.Failed() {
		line := s.line()
		switch {
		case line == "" && f.data != "":
			f.count = s.count
			if strings.HasPrefix(f.data, `{"id":`) {
				s.count++
			}
			return f
		case strings.HasPrefix(line, "id: "):
			f.id = line[4:]
		case strings.HasPrefix(line, "data: "):
			f.data = line[6:]
		}
	}
	return f
}

// await returns the next frame whose beginning contains the text.
func (s *rawStream) await(text string) frame {
	for !s.m.Failed() {
		if f := s.next(); strings.Contains(f.data[:min(len(f.data), 200)], text) {
			return f
		}
	}
	return frame{}
}

package api_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// goroutines selects the portable way to serve streams. `make test` tests both ways.
var goroutines = flag.Bool("goroutines", false, "serve each stream with a goroutine of its own")

// compress lets streams be compressed, which the tests' clients accept. TestGzip has tests of its own.
var compress = flag.Bool("compress", false, "compress streams")

// waitLimit bounds every wait of a test.
const waitLimit = 2 * time.Minute

// streamServer is an API that streams an in-memory log over a real network.
type streamServer struct {
	*testing.T
	log  *streamtest.Log
	feed *stream.Feed
	api  *api.API
	web  *httptest.Server
	logs *logBuffer
	wake chan struct{}
	stop func() // stops the feed

	// smallBuffers shrinks the socket buffers of new connections, so that a write to a client that does not read soon
	// blocks.
	smallBuffers atomic.Bool
}

// streamServerOptions change the defaults of a streamServer.
type streamServerOptions struct {
	log    stream.Log // replaces the server's log for reads
	feed   stream.FeedOptions
	api    func(*apiOptions)
	server func(*http.Server)
}

// neverStale is for the feeds of tests that are not about outages: their streams say nothing of it if this machine stands still for a
// while.
const neverStale = 24 * time.Hour

// newStreamServer serves an empty log with a clock that stands still and without randomness. Its feed is never stale, unless o says
// after which time it is.
func newStreamServer(t *testing.T, o streamServerOptions) *streamServer {
	t.Helper()
	return newStreamServerOn(t, streamtest.NewLog("k3f9"), o)
}

func newStreamServerOn(t *testing.T, log *streamtest.Log, o streamServerOptions) *streamServer {
	t.Helper()
	s := &streamServer{T: t, log: log, logs: newLogBuffer(), wake: make(chan struct{}, 1)}
	if o.log == nil {
		o.log = log
	}
	logger := slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.feed.Logger, o.feed.StaleAfter = logger, cmp.Or(o.feed.StaleAfter, neverStale)
	s.feed = stream.NewFeed(o.log, o.feed)
	if err := s.feed.Fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.runFeed()
	options := apiOptions{Config: api.Config{
		Feed: s.feed, Logger: logger,
		Streams: api.Streams{
			Heartbeat: time.Hour, Goroutines: *goroutines, Compress: *compress,
			Now: func() time.Time { return time.UnixMilli(1764000000000) }, Retry: func() int { return 2713 },
		},
	}}
	if o.api != nil {
		o.api(&options)
	}
	s.api = newAPI(t, options)
	s.web = httptest.NewUnstartedServer(s.api.Handler())
	s.web.Config.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelError)
	s.web.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if s.smallBuffers.Load() {
			_ = c.(*net.TCPConn).SetWriteBuffer(4 << 10)
		}
		return ctx
	}
	if o.server != nil {
		o.server(s.web.Config)
	}
	s.web.Start()
	t.Cleanup(func() { pgtest.Within(t, "the end of the requests", s.web.Close) })
	return s
}

// forTest returns the server for a subtest.
func (s *streamServer) forTest(t *testing.T) *streamServer {
	return &streamServer{T: t, log: s.log, feed: s.feed, api: s.api, web: s.web, logs: s.logs, wake: s.wake, stop: s.stop}
}

// runFeed runs the feed until stop is called.
func (s *streamServer) runFeed() {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.feed.Run(ctx, s.wake)
	}()
	s.stop = func() {
		stop()
		pgtest.Within(s, "the end of the feed", func() { <-done })
	}
	s.Cleanup(s.stop)
}

// shutDown closes the web server, the API and the feed.
func (s *streamServer) shutDown() {
	s.web.Client().CloseIdleConnections()
	s.web.CloseClientConnections()
	s.web.Close()
	s.api.Close()
	s.stop()
}

// commit commits a transaction with one event of each type about the same row, and wakes the feed.
func (s *streamServer) commit(types ...string) {
	s.commitTogether(types)
}

// commitTogether commits a transaction for each list of types, all at once: where the cursors of their events are compared, since these
// depend on which transactions the feed has read at the same time.
func (s *streamServer) commitTogether(transactions ...[]string) {
	var txs []*streamtest.Tx
	for _, types := range transactions {
		tx := s.log.Begin()
		for _, kind := range types {
			tx.Write(kind, "row")
		}
		txs = append(txs, tx)
	}
	s.log.Commit(txs...)
	s.wakeFeed()
}

// wakeFeed wakes the feed as a notification does.
func (s *streamServer) wakeFeed() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// awaitFeed waits until the feed has read that many events. A client that catches up can receive an event from the log
// before the feed has read it.
func (s *streamServer) awaitFeed(events uint64) {
	s.Helper()
	timeout := time.After(waitLimit)
	for {
		changed := s.feed.Changed()
		if s.feed.Stats().Events >= events {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			s.Fatalf("wait for the feed to read %d events: %+v", events, s.feed.Stats())
		}
	}
}

// serveWithoutNetwork serves a request whose writer has no connection.
func (s *streamServer) serveWithoutNetwork(method, target string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	s.api.Handler().ServeHTTP(recorder, httptest.NewRequest(method, target, nil))
	return recorder
}

// streamClient is a client that keeps the bytes it received.
type streamClient struct {
	*testing.T
	response   *http.Response
	in         *bufio.Reader
	received   bytes.Buffer
	disconnect context.CancelFunc
}

// send sends a request without a body. header holds names and values.
func (s *streamServer) send(ctx context.Context, method, target string, header ...string) *http.Response {
	s.Helper()
	r, err := http.NewRequestWithContext(ctx, method, s.web.URL+target, nil)
	if err != nil {
		s.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := s.web.Client().Do(r)
	if err != nil {
		s.Fatal(err)
	}
	return response
}

// open opens a stream. target follows /api/events in the URL; header holds names and values.
func (s *streamServer) open(target string, header ...string) *streamClient {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	s.Cleanup(cancel)
	response := s.send(ctx, http.MethodGet, "/api/events"+target, header...)
	s.Cleanup(func() { response.Body.Close() })
	return &streamClient{T: s.T, response: response, in: bufio.NewReader(response.Body), disconnect: cancel}
}

// readBlock reads up to and including the next empty line, without keeping it.
func (l *streamClient) readBlock() (string, error) {
	var block strings.Builder
	for {
		line, err := l.in.ReadString('\n')
		block.WriteString(line)
		if err != nil || line == "\n" {
			return block.String(), err
		}
	}
}

// readUntil reads until a block contains the text, and returns that block.
func (l *streamClient) readUntil(text string) string {
	l.Helper()
	for {
		block, err := l.readBlock()
		l.received.WriteString(block)
		if err != nil {
			l.Fatalf("wait for %q: %v, after\n%s", text, err, l.received.String())
		}
		if strings.Contains(block, text) {
			return block
		}
	}
}

// readToEnd reads until the server ends the stream.
func (l *streamClient) readToEnd() {
	l.Helper()
	_, err := io.Copy(&l.received, l.in)
	if *compress && errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil // a compressed stream has no end of its own
	}
	if err != nil {
		l.Fatalf("read to the end: %v, after\n%s", err, l.received.String())
	}
}

// openSynced opens a stream and reads its first event.
func (s *streamServer) openSynced(target string, header ...string) *streamClient {
	s.Helper()
	l := s.open(target, header...)
	l.readUntil(`"sync"`)
	return l
}

// dial connects, writes the raw request and returns the connection.
func (s *streamServer) dial(request string) net.Conn {
	s.Helper()
	conn, err := net.DialTimeout("tcp", s.web.Listener.Addr().String(), waitLimit)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(waitLimit)); err != nil {
		s.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		s.Fatal(err)
	}
	return conn
}

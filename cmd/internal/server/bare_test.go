package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/metrics"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// bareServer serves the API with this package's sockets and settings, from a log in memory.
type bareServer struct {
	addr   string
	log    *streamtest.Log
	wake   chan struct{}
	logged *panicLog
	stop   func()
}

// panicLog keeps the log output about panics.
type panicLog struct {
	mu   sync.Mutex
	text string
}

// Write implements io.Writer.
func (p *panicLog) Write(line []byte) (int, error) {
	if strings.Contains(string(line), "panic") {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.text += string(line)
	}
	return len(line), nil
}

func (p *panicLog) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text
}

// newBareServer starts a server with HTTP/1.1 and HTTP/2. The caller must call stop.
func newBareServer(tb testing.TB, options ...api.Option) *bareServer {
	tb.Helper()
	s := &bareServer{log: streamtest.NewLog("k3f9"), wake: make(chan struct{}, 1), logged: new(panicLog)}
	logger := slog.New(slog.NewTextHandler(s.logged, &slog.HandlerOptions{Level: slog.LevelWarn}))
	feed := stream.NewFeed(s.log, stream.FeedOptions{Logger: logger})
	if err := feed.Fill(context.Background()); err != nil {
		tb.Fatal(err)
	}
	a, err := api.New(api.Config{
		Feed: feed, Ready: feed.Err, Logger: logger, Streams: api.Streams{WriteTimeout: time.Second},
	}, options...)
	if err != nil {
		tb.Fatal(err)
	}
	l, err := Socket(context.Background(), "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	sockets := newSockets(Limits{}.sockets(), metrics.New(""), logger)
	sockets.limits.streams = a.TakenOver
	server, err := Listen{H2C: true}.httpServer(sockets, memoryWithoutCgroup, logger)
	if err != nil {
		tb.Fatal(err)
	}
	server.handle(a.Handler())
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { feed.Run(ctx, s.wake) })
	running.Go(func() { a.Run(ctx) })
	running.Go(func() {
		if err := server.serve(sockets.listener(l)); !errors.Is(err, http.ErrServerClosed) {
			tb.Error(err)
		}
	})
	s.addr = l.Addr().String()
	s.stop = func() {
		_ = server.Close()
		a.Close()
		cancel()
		running.Wait()
	}
	return s
}

// dial connects for as long as a test may wait.
func (s *bareServer) dial(tb testing.TB) *net.TCPConn {
	tb.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		tb.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		tb.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// commit commits a transaction with one event, and wakes the feed.
func (s *bareServer) commit(kind, data string) {
	tx := s.log.Begin()
	tx.Write(kind, "row")
	if data != "" {
		tx.Events[0].Data = []byte(data)
	}
	tx.Commit()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

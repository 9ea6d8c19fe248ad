package e2e

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// http2Window is how many bytes of a stream net/http's client takes before its caller reads them.
const http2Window = 4 << 20

// countingConn counts the bytes that it receives.
type countingConn struct {
	net.Conn
	received *atomic.Int64
}

// Read implements net.Conn.
func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.received.Add(int64(n))
	return n, err
}

// The socket for clients fails: Run must return the error at once, even if a stream waits for its client to
// read.
func TestListenerFails(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := server.DefaultConfig()
	config.Database.URL, config.Listen.H2C, config.Tuning.WriteTimeout = url, true, 4*time.Minute
	s, err := server.New(t.Context(), config, server.Options{Logger: slog.New(slog.DiscardHandler), Level: new(slog.LevelVar), Listener: l})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context()) }()
	select {
	case <-s.Ready():
	case err := <-ended:
		t.Fatal(err)
	}
	var received atomic.Int64
	transport := &http.Transport{Protocols: new(http.Protocols), DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &countingConn{Conn: conn, received: &received}, err
	}}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get(s.URL() + "/api/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()

	conn := pgtest.Connect(t, url)
	if _, err := conn.Exec(t.Context(), `
		select pgherald.publish('large', to_json(repeat('x', 1000000))) from generate_series(1, 12)`); err != nil {
		t.Fatal(err)
	}
	waitFor(testContext(t), t, "the window of the client, who does not read, to be full", func() bool { return received.Load() >= http2Window })
	began := time.Now()
	l.Close()
	if err := <-ended; err == nil || !strings.HasPrefix(err.Error(), "serve: ") {
		t.Errorf("Run returned %v", err)
	}
	if took := time.Since(began); took >= config.Tuning.WriteTimeout {
		t.Errorf("Run took %v to report that its listener failed", took)
	}
}

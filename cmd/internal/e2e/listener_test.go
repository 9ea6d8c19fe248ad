package e2e

import (
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// The socket for clients fails: Run must return the error at once, even if a stream waits for its client to
// read.
func TestListenerFails(t *testing.T) {
	url := pgtest.NewDatabase(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := server.DefaultConfig()
	config.Database.URL, config.Listen.H2C, config.Tuning.WriteTimeout = url, true, 15*time.Second
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
	transport := &http.Transport{Protocols: new(http.Protocols)}
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
	time.Sleep(2 * time.Second) // until the window of the client, who does not read, is full
	began := time.Now()
	l.Close()
	if err := <-ended; err == nil || !strings.HasPrefix(err.Error(), "serve: ") {
		t.Errorf("Run returned %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Run took %v to report that its listener failed", took)
	}
}

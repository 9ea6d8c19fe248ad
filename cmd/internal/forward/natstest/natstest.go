// Package natstest starts NATS servers for tests, each of a test's own, on loopback.
//
// It promises that a server ends with its test, also if the test process is killed (on Linux).
package natstest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pgherald/pgherald/db/servertest"
)

const reconnectWait = 20 * time.Millisecond

// Server is a server with a data directory. One goroutine uses it.
type Server struct {
	*servertest.Server
	t testing.TB
}

// Start starts a server with a configuration, which ends with the test.
func Start(t testing.TB, config string) *Server {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "nats.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	// The name tells this server from another one on its port.
	name := filepath.Base(filepath.Dir(dir)) + "-" + filepath.Base(dir) + "-" + strconv.Itoa(os.Getpid())
	return &Server{t: t, Server: servertest.Start(t, servertest.Program{
		Paths: []string{"nats-server", "/usr/sbin/nats-server"}, // Debian's is not in the PATH of every user
		Args: func(port, log string) []string {
			return []string{"-a", "127.0.0.1", "-p", port, "-c", file, "-n", name, "-l", log}
		},
		IsThere: func(_ context.Context, addr string, _ int) bool { return isThere(addr, name) },
	})}
}

// WithJetStream returns a configuration with JetStream and further lines.
func WithJetStream(t testing.TB, lines string) string {
	t.Helper()
	return "jetstream { store_dir: " + strconv.Quote(t.TempDir()) + " }\n" + lines
}

// isThere reports whether the server of that name takes connections. It may refuse this one for its user.
func isThere(addr, name string) bool {
	conn, err := nats.Connect(urlOf(addr), nats.Timeout(servertest.StepTimeout))
	if err != nil {
		return errors.Is(err, nats.ErrAuthorization)
	}
	defer conn.Close()
	return conn.ConnectedServerName() == name
}

func urlOf(addr string) string { return "nats://" + addr }

// URL returns the URL of the server.
func (s *Server) URL() string { return urlOf(s.Addr()) }

// Client returns a client of JetStream, which is closed with the test.
func (s *Server) Client() jetstream.JetStream {
	s.t.Helper()
	conn, err := nats.Connect(s.URL(), nats.Timeout(servertest.StepTimeout), nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(conn.Close)
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(servertest.StepTimeout))
	if err != nil {
		s.t.Fatal(err)
	}
	return js
}

// AddStream adds a stream.
func (s *Server) AddStream(config jetstream.StreamConfig) jetstream.Stream {
	s.t.Helper()
	stream, err := s.Client().CreateStream(s.t.Context(), config)
	if err != nil {
		s.t.Fatal(err)
	}
	return stream
}

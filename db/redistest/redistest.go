// Package redistest starts Redis or Valkey servers for tests, each of a test's own, on loopback.
//
// It promises that a server ends with its test, also if the test process is killed (on Linux).
package redistest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/pgherald/pgherald/db/servertest"
)

// Server is a server with a data directory. One goroutine uses it.
type Server struct {
	*servertest.Server
	t   testing.TB
	dir string
}

// Start starts an empty server, which ends with the test. The settings are as on its command line; without any, what it has not saved is lost
// with it.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	dir := t.TempDir()
	return &Server{t: t, dir: dir, Server: servertest.Start(t, servertest.Program{
		Paths: []string{"redis-server", "valkey-server"},
		Args: func(port, log string) []string {
			args := []string{"--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--appendonly", "no", "--logfile", log}
			return append(args, settings...)
		},
		IsThere: isThere,
	})}
}

// isThere reports whether the server with that process number answers.
func isThere(ctx context.Context, addr string, pid int) bool {
	client := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
	defer client.Close()
	info, err := client.Info(ctx, "server").Result()
	return err == nil && strings.Contains(info, fmt.Sprintf("process_id:%d\r\n", pid))
}

// URL returns the URL of database 0.
func (s *Server) URL() string { return "redis://" + s.Addr() + "/0" }

// Client returns a new client, which is closed with the test.
func (s *Server) Client() *redis.Client {
	client := redis.NewClient(&redis.Options{Addr: s.Addr()})
	s.t.Cleanup(func() { _ = client.Close() })
	return client
}

// Save makes the server write its data to its directory, from where Restart reads it.
func (s *Server) Save() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), servertest.StepTimeout)
	defer cancel()
	if err := s.Client().Save(ctx).Err(); err != nil {
		s.t.Fatalf("save the data: %v", err)
	}
}

// Wipe removes what the server has saved. The server must not run.
func (s *Server) Wipe() {
	s.t.Helper()
	if err := os.RemoveAll(s.dump()); err != nil {
		s.t.Fatal(err)
	}
}

// Dump returns what the server has last saved.
func (s *Server) Dump() []byte {
	s.t.Helper()
	data, err := os.ReadFile(s.dump())
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

// Restore replaces what the server has saved by an earlier dump. The server must not run.
func (s *Server) Restore(dump []byte) {
	s.t.Helper()
	if err := os.WriteFile(s.dump(), dump, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) dump() string { return filepath.Join(s.dir, "dump.rdb") }

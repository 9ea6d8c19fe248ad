package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pgherald/pgherald/db/postgres"
)

// Cluster is a server for one test, which may stop or kill it.
type Cluster struct {
	server   *postgres.Cluster
	dir      string // holds the data directory and nothing else
	setup    func(ctx context.Context, databaseURL string) error
	strategy string // of CREATE DATABASE

	mu       sync.Mutex
	template templateState
	setupErr error
	names    int // the number of databases created so far
}

type templateState int

const (
	templateAbsent templateState = iota
	templateReady
	templateBroken // setupErr holds the reason
)

// NewCluster starts a server for this test and removes it when the test ends. settings are parameters of
// PostgreSQL, as "name=value".
func NewCluster(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	k := theKit(t)
	inst, err := k.installation()
	if err != nil {
		t.Fatal(err)
	}
	c, err := newCluster(inst, k.setup, settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server's log ends with:\n%s", c.server.LogTail())
		}
		if err := c.close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func newCluster(inst postgres.Installation, setup func(context.Context, string) error, settings ...string) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "pgherald-test-")
	if err != nil {
		return nil, fmt.Errorf("create a directory for the test server: %w", err)
	}
	// If this process runs as root, the server runs as another user, who must be able to enter the directory.
	err = os.Chmod(dir, 0o711)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	parameters := map[string]string{"max_connections": "300", "shared_buffers": "64MB", "max_prepared_transactions": "10"}
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		parameters[name] = value
	}
	server, err := postgres.Start(ctx, inst, postgres.ClusterOptions{DataDir: filepath.Join(dir, "data"), Unsafe: true, Settings: parameters})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &Cluster{server: server, dir: dir, setup: setup, strategy: strategyOf(inst.Major)}, nil
}

// strategyOf returns the clause with which a server without fsync copies a database in a seventh of the time: the default
// since PostgreSQL 15 writes the copy to the WAL, too.
func strategyOf(major int) string {
	if major < 15 {
		return ""
	}
	return " strategy file_copy"
}

func (c *Cluster) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	return errors.Join(c.server.Stop(ctx), os.RemoveAll(c.dir))
}

// Stop shuts the server down in fast mode, as a restart for maintenance does: the server sends an error to its
// clients and disconnects them.
func (c *Cluster) Stop(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	if err := c.server.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

// Kill ends all processes of the server with SIGKILL. Clients get no error message, and the next start runs
// crash recovery.
func (c *Cluster) Kill(t testing.TB) {
	t.Helper()
	if err := c.server.Kill(); err != nil {
		t.Fatal(err)
	}
}

// Start starts the server again on the same port and data.
func (c *Cluster) Start(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	if err := c.server.Start(ctx); err != nil {
		t.Fatal(err)
	}
}

// Addr returns the server's host:port, for NewProxy.
func (c *Cluster) Addr() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.server.Port()))
}

// URL returns the connection string of a database of this server, which need not exist.
func (c *Cluster) URL(database string) string { return c.server.URL(database) }

// LogTail returns the last lines of the server's log.
func (c *Cluster) LogTail() string { return c.server.LogTail() }

// Version returns the major version of the PostgreSQL that runs the tests.
func Version(t testing.TB) int {
	t.Helper()
	inst, err := theKit(t).installation()
	if err != nil {
		t.Fatal(err)
	}
	return inst.Major
}

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pgherald/pgherald/db/postgres"
)

// patience bounds each thing that is waited for: far more than it takes, and
// far less than the limit of the whole run, whose message says nothing.
const patience = 2 * time.Minute

// shared is what Main has set up. It is the one variable of this package:
// testing.M has no place to keep a value, and a test has no other way to reach
// what TestMain made.
var shared *kit

// Main runs the tests of a package, stops the server that they shared, looks
// for goroutines that were left, and exits. setup makes the schema in the
// database at the given URL and runs once per server; nil leaves it empty.
func Main(m *testing.M, setup func(ctx context.Context, databaseURL string) error) {
	shared = &kit{setup: setup}
	code := m.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		code = max(code, 1)
	}
	// A test that failed may not have come to its end: its leaks say nothing.
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest: find goroutines that were left:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// kit belongs to one test process.
type kit struct {
	setup func(ctx context.Context, databaseURL string) error

	mu      sync.Mutex
	inst    *postgres.Installation
	cluster *Cluster // the shared one
	err     error    // why there is none: the next test need not wait for the same
}

// theKit is shared, for a test that may have forgotten about Main.
func theKit(t testing.TB) *kit {
	t.Helper()
	if shared == nil {
		t.Fatal("use pgtest: call pgtest.Main from TestMain")
	}
	return shared
}

// installation finds the PostgreSQL to test with, once.
func (k *kit) installation() (postgres.Installation, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.find()
}

func (k *kit) find() (postgres.Installation, error) {
	if k.inst != nil {
		return *k.inst, nil
	}
	if k.err != nil {
		return postgres.Installation{}, k.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	inst, err := postgres.Find(ctx, postgres.Options{BinDir: os.Getenv("PGHERALD_TEST_PG_BIN"), Fetch: true})
	if err != nil {
		k.err = err
		return inst, err
	}
	k.inst = &inst
	return inst, nil
}

// sharedCluster starts the shared server when the first test wants it.
func (k *kit) sharedCluster() (*Cluster, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cluster != nil || k.err != nil {
		return k.cluster, k.err
	}
	inst, err := k.find()
	if err == nil {
		k.cluster, err = newCluster(inst, k.setup)
	}
	k.err = err
	return k.cluster, err
}

func (k *kit) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cluster == nil {
		return nil
	}
	return errors.Join(k.cluster.server.Err(), k.cluster.close())
}

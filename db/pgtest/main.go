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

// stepTimeout bounds each wait. It is far longer than a step takes, and far shorter than the timeout of go
// test, which would not say what the test waited for.
const stepTimeout = 2 * time.Minute

// leakLimit is how long goroutines may take to end after the tests, on a busy machine.
const leakLimit = 30 * time.Second

// shared is the state that Main sets up. It must be a global variable: a test has no other way to reach a value
// that TestMain creates.
var shared *kit

// Main runs the tests of a package, stops the shared server, checks for leaked goroutines, and exits. setup
// creates the schema in the database at the given URL, once for each server. A nil setup means no schema. m is the
// *testing.M, or runs it.
func Main(m interface{ Run() int }, setup func(ctx context.Context, databaseURL string) error) {
	shared = &kit{setup: setup}
	code := m.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		code = max(code, 1)
	}
	// A failed test may have stopped early, so that its leaks are no bug.
	if code == 0 {
		if err := findLeaks(); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest: find leaked goroutines:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// findLeaks gives goroutines a while to end, of which goleak has one of its own: it looks twenty times within a second.
func findLeaks() (err error) {
	for began := time.Now(); ; {
		if err = goleak.Find(); err == nil || time.Since(began) > leakLimit {
			return err
		}
	}
}

// kit is the state of one test process.
type kit struct {
	setup func(ctx context.Context, databaseURL string) error

	mu      sync.Mutex
	inst    *postgres.Installation
	cluster *Cluster // the shared one
	err     error    // why it could not start: later tests fail at once
}

// theKit returns the shared state. It fails the test if TestMain did not call Main.
func theKit(t testing.TB) *kit {
	t.Helper()
	if shared == nil {
		t.Fatal("use pgtest: call pgtest.Main from TestMain")
	}
	return shared
}

// installation finds the PostgreSQL for the tests, once.
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
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	inst, err := postgres.Find(ctx, postgres.Options{BinDir: os.Getenv("PGHERALD_TEST_PG_BIN"), Fetch: true})
	if err != nil {
		k.err = err
		return inst, err
	}
	k.inst = &inst
	return inst, nil
}

// sharedCluster starts the shared server on the first call.
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

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/e2e/judge"
	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// trial is one test: a database, servers on it, writers and subscribers.
type trial struct {
	t    *testing.T
	ctx  context.Context // bounds everything
	url  string          // of the database, without a proxy in between
	load judge.Workload
	rows []string // written by everyone
	last string   // the row whose one write is the last of the trial

	commits *counter
	quit    context.CancelFunc // ends the writers
	quitted context.Context
	writing sync.WaitGroup
	reading sync.WaitGroup
	others  sync.WaitGroup

	nodes   []*node
	writers []*writer
	subs    []*subscriber
	seed    uint64
	http    *http.Client

	mu   sync.Mutex
	errs []error // of goroutines
}

func newTrial(t *testing.T, databaseURL string, load judge.Workload) *trial {
	t.Helper()
	ctx, cancel := context.WithCancel(hangContext(t, context.Background()))
	quitted, quit := context.WithCancel(ctx)
	tr := &trial{
		t: t, ctx: ctx, url: databaseURL, load: load, last: rowID(999),
		commits: newCounter(), quit: quit, quitted: quitted, seed: rand.Uint64(), http: newHTTPClient(t),
	}
	t.Cleanup(func() {
		cancel()
		tr.writing.Wait()
		tr.reading.Wait()
		tr.others.Wait()
		for _, n := range tr.nodes {
			n.end(t)
		}
	})
	for n := range 16 {
		tr.rows = append(tr.rows, rowID(n))
	}
	prepare(t, databaseURL, load, append(tr.rows, tr.last))
	return tr
}

// node returns a server of the trial that is not yet started. Its database may be seen through
// another URL.
func (tr *trial) node(databaseURL string, changes ...func(*server.Config)) *node {
	tr.t.Helper()
	n := newNode(databaseURL, changes...)
	if tr.load.Spec != "" {
		n.config.Database.Spec = filepath.Join(tr.t.TempDir(), "spec.yaml")
		if err := os.WriteFile(n.config.Database.Spec, []byte(tr.load.Spec), 0o600); err != nil {
			tr.t.Fatal(err)
		}
	}
	tr.nodes = append(tr.nodes, n)
	return n
}

func (tr *trial) rng() *rand.Rand {
	tr.seed++
	return rand.New(rand.NewPCG(tr.seed, 0))
}

// fail ends the trial: without one of its goroutines the others would wait in vain.
func (tr *trial) fail(err error) {
	if err == nil {
		return
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.errs = append(tr.errs, err)
	tr.quit()
}

func (tr *trial) failure() error {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return errors.Join(tr.errs...)
}

// subscriber returns one that is not yet connected, for the caller to adapt.
func (tr *trial) subscriber(name string, nodes ...*node) *subscriber {
	rng := tr.rng()
	return &subscriber{
		name: name, pick: anyOf(rng, nodes), chunk: 16 << 10, http: tr.http, rng: rng, began: make(chan struct{}),
		last: func(e streamtest.Envelope) bool { return bytes.Contains(e.Data, []byte(tr.last)) },
	}
}

// subscribe connects the subscribers, and returns once each knows where it has begun: from there
// on it is owed everything.
func (tr *trial) subscribe(subs ...*subscriber) {
	tr.t.Helper()
	for _, s := range subs {
		tr.subs = append(tr.subs, s)
		tr.reading.Go(func() { tr.fail(s.run(tr.ctx)) })
	}
	for _, s := range subs {
		select {
		case <-s.began:
		case <-tr.quitted.Done():
			tr.t.Fatalf("%s did not begin: %v, %v", s.name, tr.quitted.Err(), tr.failure())
		}
	}
}

// write starts writers, of which about one in four makes long transactions.
func (tr *trial) write(n int, tolerant bool) {
	for i := range n {
		w := &writer{url: tr.url, load: tr.load, rows: tr.rows, rng: tr.rng(), commits: tr.commits, long: i%4 == 3, tolerant: tolerant}
		tr.writers = append(tr.writers, w)
		tr.writing.Go(func() { tr.fail(w.run(tr.ctx, tr.quitted)) })
	}
}

// waitCommits waits for so many more commits.
func (tr *trial) waitCommits(n int) {
	tr.t.Helper()
	if err := tr.commits.wait(tr.quitted, n); err != nil {
		tr.t.Fatalf("commits: %v, %v", err, tr.failure())
	}
}

// await polls until the condition holds. It fails the test if the trial ends before.
func (tr *trial) await(what string, holds func() bool) {
	tr.t.Helper()
	for !holds() {
		if pause(tr.quitted, 2*time.Millisecond); tr.quitted.Err() != nil {
			tr.t.Fatalf("waited for %s: %v, %v", what, context.Cause(tr.quitted), tr.failure())
		}
	}
}

// stopWriting returns when nobody writes any more.
func (tr *trial) stopWriting() {
	tr.quit()
	tr.writing.Wait()
	tr.others.Wait()
}

// end ends the writers and writes the last row; when that has arrived, so has everything that was
// committed before. It returns a connection, to look at what there is.
func (tr *trial) end() *pgx.Conn {
	tr.t.Helper()
	tr.stopWriting()
	conn := pgtest.Connect(tr.t, tr.url)
	tr.writeLast(conn)
	start := time.Now()
	tr.reading.Wait()
	tr.t.Logf("everyone had everything %v after the last write", time.Since(start).Round(time.Millisecond))
	if err := tr.failure(); err != nil {
		tr.t.Error(err)
	}
	return conn
}

// finish ends the trial and compares what the subscribers have with what has happened.
func (tr *trial) finish() {
	tr.t.Helper()
	tr.compare(tr.end())
}

// writeLast writes the row that ends the subscribers' streams.
func (tr *trial) writeLast(conn *pgx.Conn) {
	tr.t.Helper()
	pgtest.Exec(tr.t, conn, `begin`)
	pgtest.Exec(tr.t, conn, tr.load.Bump, []string{tr.last})
	pgtest.Exec(tr.t, conn, judge.JournalInsert, 1, 0)
	pgtest.Exec(tr.t, conn, `commit`)
}

// compare judges what each subscriber received.
func (tr *trial) compare(conn *pgx.Conn) {
	tr.t.Helper()
	truth, err := judge.Read(tr.ctx, conn, tr.load, append(tr.rows, tr.last))
	if err != nil {
		tr.t.Fatal(err)
	}
	rolledBack, unknown, connections := 0, 0, 0
	for _, w := range tr.writers {
		if err := truth.CheckWriters(w.ledger); err != nil {
			tr.t.Fatal(err)
		}
		rolledBack, unknown = rolledBack+len(w.ledger.RolledBack), unknown+len(w.ledger.Unknown)
	}
	for _, s := range tr.subs {
		if err := truth.Check(judge.Received{Name: s.name, Types: s.types, Client: &s.Client}); err != nil {
			tr.t.Errorf("after %d connections: %v", s.connections, err)
		}
		connections += s.connections
	}
	tr.t.Logf("%d transactions with %d events at each of %d subscribers over %d connections; %d rolled back, %d of unknown end",
		len(truth.Journal), len(truth.Log), len(tr.subs), connections, rolledBack, unknown)
}

// prepare makes the tables and the rows that exist before the servers start.
func prepare(t testing.TB, databaseURL string, load judge.Workload, ids []string) {
	t.Helper()
	conn := pgtest.Connect(t, databaseURL)
	if load.DDL != "" {
		pgtest.Exec(t, conn, load.DDL)
	} else if err := migrations.Up(t.Context(), databaseURL, migrations.Engine(), migrations.Workload()); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, conn, judge.JournalDDL)
	for _, id := range ids {
		pgtest.Exec(t, conn, load.Insert, id, 0)
	}
}

// rowID returns the id of row n. Ids sort like their numbers.
func rowID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", n) }

// smallFeed gives a server a feed that covers next to nothing, so that slow clients catch up from the log.
func smallFeed(c *server.Config) { c.Tuning.FeedBytes = 24 << 10 }

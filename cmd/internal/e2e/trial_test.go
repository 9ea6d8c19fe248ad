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

// trial is a database with servers, writers and subscribers. At its end, package judge compares what the
// subscribers received with what was written.
type trial struct {
	t      *testing.T
	ctx    context.Context    // bounds everything
	cancel context.CancelFunc // ends ctx
	url    string             // of the database, without a proxy in between
	table  judge.CounterTable
	rows   []string // ids of the rows that all writers share
	last   string   // id of the row whose only write is the last of the trial

	commits     *counter
	endWriters  context.CancelFunc
	writersDone context.Context // ends when the writers are to end
	writing     sync.WaitGroup
	reading     sync.WaitGroup
	others      sync.WaitGroup

	nodes   []*node
	writers []*writer
	subs    []*subscriber
	seed    uint64
	http    *http.Client

	mu   sync.Mutex
	errs []error // of goroutines
}

func newTrial(t *testing.T, databaseURL string, table judge.CounterTable) *trial {
	t.Helper()
	ctx, cancel := context.WithCancel(hangContext(t, context.Background()))
	writersDone, endWriters := context.WithCancel(ctx)
	tr := &trial{
		t: t, ctx: ctx, cancel: cancel, url: databaseURL, table: table, last: rowID(999),
		commits: newCounter(), endWriters: endWriters, writersDone: writersDone, seed: rand.Uint64(), http: newHTTPClient(t),
	}
	t.Cleanup(func() {
		cancel()
		pgtest.Within(t, "the end of the writers", tr.writing.Wait)
		pgtest.Within(t, "the end of the subscribers", tr.reading.Wait)
		pgtest.Within(t, "the end of other clients", tr.others.Wait)
		for _, n := range tr.nodes {
			n.end(t)
		}
	})
	for n := range 16 {
		tr.rows = append(tr.rows, rowID(n))
	}
	prepare(t, databaseURL, table, append(tr.rows, tr.last))
	return tr
}

// node returns a server that is not started. Its databaseURL may lead through a proxy.
func (tr *trial) node(databaseURL string, changes ...func(*server.Config)) *node {
	tr.t.Helper()
	n := newNode(databaseURL, changes...)
	if tr.table.Spec != "" {
		n.config.Database.Spec = filepath.Join(tr.t.TempDir(), "spec.yaml")
		if err := os.WriteFile(n.config.Database.Spec, []byte(tr.table.Spec), 0o600); err != nil {
			tr.t.Fatal(err)
		}
	}
	tr.nodes = append(tr.nodes, n)
	return n
}

// rng returns a generator of random numbers for one goroutine.
func (tr *trial) rng() *rand.Rand {
	tr.seed++
	return rand.New(rand.NewPCG(tr.seed, 0))
}

// fail records the error of a goroutine, unless it is nil, and ends the writers, so that no other goroutine
// waits for this one.
func (tr *trial) fail(err error) {
	if err == nil {
		return
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.errs = append(tr.errs, err)
	tr.endWriters()
}

// failure returns the recorded errors.
func (tr *trial) failure() error {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return errors.Join(tr.errs...)
}

// subscriber returns a subscriber of any of the servers, which the caller may change before it connects.
func (tr *trial) subscriber(name string, nodes ...*node) *subscriber {
	rng := tr.rng()
	return &subscriber{
		name: name, chunk: 16 << 10, http: tr.http, rng: rng, started: make(chan struct{}),
		pick:   func(int) *node { return nodes[rng.IntN(len(nodes))] },
		isLast: func(e streamtest.Envelope) bool { return bytes.Contains(e.Data, []byte(tr.last)) },
	}
}

// subscribe connects the subscribers and returns once each has its sync event. It must receive everything
// that commits after that.
func (tr *trial) subscribe(subs ...*subscriber) {
	tr.t.Helper()
	for _, s := range subs {
		tr.subs = append(tr.subs, s)
		tr.reading.Go(func() { tr.fail(s.run(tr.ctx)) })
	}
	for _, s := range subs {
		select {
		case <-s.started:
		case <-tr.writersDone.Done():
			tr.t.Fatalf("%s received no sync event: %v, %v", s.name, tr.writersDone.Err(), tr.failure())
		}
	}
}

// write starts writers. One in four makes long transactions.
func (tr *trial) write(n int, toleratesOutages bool) {
	for i := range n {
		w := &writer{url: tr.url, table: tr.table, rows: tr.rows, rng: tr.rng(), commits: tr.commits, long: i%4 == 3, toleratesOutages: toleratesOutages}
		tr.writers = append(tr.writers, w)
		tr.writing.Go(func() { tr.fail(w.run(tr.ctx, tr.writersDone)) })
	}
}

// connectWriter returns a connection for a goroutine of tr.writing. The end of the test closes it after that goroutine has
// ended, also if the test has failed.
func (tr *trial) connectWriter() *pgx.Conn {
	tr.t.Helper()
	conn := pgtest.Connect(tr.t, tr.url)
	tr.t.Cleanup(func() {
		tr.cancel()
		pgtest.Within(tr.t, "the end of the writers", tr.writing.Wait)
	})
	return conn
}

// waitCommits waits for n more commits.
func (tr *trial) waitCommits(n int) {
	tr.t.Helper()
	if err := tr.commits.wait(tr.writersDone, n); err != nil {
		tr.t.Fatalf("commits: %v, %v", err, tr.failure())
	}
}

// await polls until a condition holds. It fails the test if the trial ends first.
func (tr *trial) await(what string, holds func() bool) {
	tr.t.Helper()
	for !holds() {
		if pause(tr.writersDone, 2*time.Millisecond); tr.writersDone.Err() != nil {
			tr.t.Fatalf("waited for %s: %v, %v", what, context.Cause(tr.writersDone), tr.failure())
		}
	}
}

// stopWriting ends the writers and waits for them.
func (tr *trial) stopWriting() {
	tr.endWriters()
	tr.writing.Wait()
	tr.others.Wait()
}

// end ends the writers, writes the last row and waits until it has arrived at each subscriber. Everything that
// committed before has arrived then. It returns a connection to the database.
func (tr *trial) end() *pgx.Conn {
	tr.t.Helper()
	tr.stopWriting()
	conn := pgtest.Connect(tr.t, tr.url)
	tr.writeLast(conn)
	start := time.Now()
	tr.reading.Wait()
	tr.t.Logf("all subscribers were complete %v after the last write", time.Since(start).Round(time.Millisecond))
	if err := tr.failure(); err != nil {
		tr.t.Error(err)
	}
	return conn
}

// finish ends the trial and judges it.
func (tr *trial) finish() {
	tr.t.Helper()
	tr.compare(tr.end())
}

// writeLast writes the last row.
func (tr *trial) writeLast(conn *pgx.Conn) {
	tr.t.Helper()
	pgtest.Exec(tr.t, conn, `begin`)
	pgtest.Exec(tr.t, conn, tr.table.Bump, []string{tr.last})
	pgtest.Exec(tr.t, conn, judge.JournalInsert, 1, 0)
	pgtest.Exec(tr.t, conn, `commit`)
}

// compare judges what each subscriber received.
func (tr *trial) compare(conn *pgx.Conn) {
	tr.t.Helper()
	truth, err := judge.Read(tr.ctx, conn, tr.table, append(tr.rows, tr.last))
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
func prepare(t testing.TB, databaseURL string, table judge.CounterTable, ids []string) {
	t.Helper()
	conn := pgtest.Connect(t, databaseURL)
	if table.DDL != "" {
		pgtest.Exec(t, conn, table.DDL)
	} else if err := migrations.Up(t.Context(), databaseURL, migrations.Engine(), migrations.Workload()); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, conn, judge.JournalDDL)
	for _, id := range ids {
		pgtest.Exec(t, conn, table.Insert, id, 0)
	}
}

// rowID returns the id of row n. Ids sort like their numbers.
func rowID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", n) }

// smallFeed gives a server a very small feed, so that slow clients catch up from the log.
func smallFeed(c *server.Config) { c.Tuning.FeedBytes = 24 << 10 }

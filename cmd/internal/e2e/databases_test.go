package e2e

import (
	"context"
	"flag"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/e2e/dml"
	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

var (
	databasesDir     = flag.String("databases", "", "directory with *.sql files for psql, each a database for TestDatabases")
	databasesWrites  = flag.Int("databases.writes", 400, "statements that change rows, in each database of TestDatabases")
	databasesFilters = flag.Int("databases.filters", 100, "filters in each database of TestDatabases; 0 for all that it can make")
	databasesTables  = flag.Int("databases.tables", 26, "tables of the database that TestDatabases makes, beside partitions and children")
	databasesSeed    = flag.Uint64("databases.seed", 0, "seed of TestDatabases; 0 for a random one")
)

// databaseWriters is the number of writers of each database.
const databaseWriters = 8

// TestDatabases watches databases as a whole, with --tables='*', while writers change all of their tables at random and
// clients follow all collections, whole and through filters on every filter field. What each client holds must be what
// SQL selects and what the list says: at the end, and at snapshots in between.
func TestDatabases(t *testing.T) {
	t.Parallel()
	seed := *databasesSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-databases.seed=%d -databases.writes=%d -databases.filters=%d", seed, *databasesWrites, *databasesFilters)
	parts := newParts(t)
	defer parts.wait()
	for _, d := range knownDatabases(t, seed) {
		parts.run(d.name, func(t *testing.T) {
			p := newProof(t, d, seed)
			p.follow()
			p.write()
			p.finish()
		})
	}
}

// proof is one database with servers, writers and followers.
type proof struct {
	t     *testing.T
	ctx   context.Context
	seed  uint64
	url   string
	conn  *pgx.Conn
	nodes []*node

	streams     []*node // where clients follow: the nodes, or others
	writes      int     // see databasesWrites
	filterCount int     // see databasesFilters

	tables  []*dml.Table
	serial  atomic.Int64
	wrote   *counter // statements
	writers []*dml.Writer

	collections []collectionInfo
	selections  []*selection
	followers   []*follower
	following   sync.WaitGroup
	snapshots   []snapshot
	failures    failures
}

// newProof returns a proof of the size that the flags say.
func newProof(t *testing.T, d testDatabase, seed uint64) *proof {
	t.Helper()
	return newProofOf(t, d, seed, *databasesWrites)
}

// newProofOf loads a database, gives it some more rows, and starts two servers that watch all of it, one of them with a small feed.
func newProofOf(t *testing.T, d testDatabase, seed uint64, writes int) *proof {
	t.Helper()
	ctx := testContext(t)
	p := &proof{t: t, ctx: ctx, seed: seed, url: pgtest.EmptyDatabase(t), wrote: newCounter(), writes: writes, filterCount: *databasesFilters}
	began := time.Now()
	d.load(t, ctx, p.url)
	p.conn = pgtest.Connect(t, p.url)
	var err error
	if p.tables, err = dml.Read(ctx, p.conn); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, p.conn, `create table public.proof_end (id int primary key)`) // writers do not know it
	p.runWriters(1, writes/4)
	loaded := time.Since(began)
	watchAll := func(c *server.Config) {
		c.Database.Tables = []string{"*"}
		c.Limits.RequestsPerUser = 0
		c.Tuning.Heartbeat = 200 * time.Millisecond
	}
	for _, n := range []*node{newNode(p.url, watchAll), newNode(p.url, watchAll, smallFeed)} {
		t.Cleanup(func() { n.end(t) })
		startNodes(ctx, t, n)
		p.nodes = append(p.nodes, n)
	}
	p.streams = p.nodes
	t.Logf("%d tables; loaded in %v, server ready after %v", len(p.tables), loaded.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	return p
}

// node returns one of the servers.
func (p *proof) node(rng *rand.Rand) *node { return p.nodes[rng.IntN(len(p.nodes))] }

// rng returns a generator for one purpose.
func (p *proof) rng(purpose uint64) *rand.Rand { return rand.New(rand.NewPCG(p.seed, purpose)) }

// runWriters runs writers until n more statements have changed rows.
func (p *proof) runWriters(writers, n int) {
	p.t.Helper()
	done, cancel := context.WithCancel(p.ctx)
	defer cancel()
	var writing sync.WaitGroup
	defer writing.Wait()
	target := p.wrote.value() + n
	for i := range writers {
		conn := pgtest.Connect(p.t, p.url)
		w := &dml.Writer{Conn: conn, Rand: p.rng(uint64(len(p.writers)*100 + i + 1)), Tables: p.tables, Serial: &p.serial}
		w.Wrote = func(statements int) {
			for range statements {
				p.wrote.add()
			}
		}
		if err := w.Prepare(p.ctx); err != nil {
			p.t.Fatal(err)
		}
		p.writers = append(p.writers, w)
		writing.Go(func() {
			if err := w.Run(p.ctx, done); err != nil {
				p.failures.add(err)
				cancel()
			}
		})
	}
	_ = p.wrote.reach(done, target) // its error is that of a writer, which failures has
	cancel()
	writing.Wait()
	p.report()
}

// write runs all writers, and takes snapshots meanwhile.
func (p *proof) write() {
	p.t.Helper()
	began := time.Now()
	var taking sync.WaitGroup
	first := p.wrote.value()
	taking.Go(func() { p.failures.add(p.takeSnapshots(first)) })
	p.runWriters(databaseWriters, p.writes)
	taking.Wait()
	p.logWrites(time.Since(began))
}

// logWrites says what the writers did.
func (p *proof) logWrites(took time.Duration) {
	kinds, refused, rows := map[string]int{}, map[string]int{}, int64(0)
	for _, w := range p.writers {
		for kind, n := range w.Kinds {
			kinds[kind] += n
		}
		for code, n := range w.Refused {
			refused[code] += n
		}
		rows += w.Rows
	}
	p.t.Logf("%d statements changed %d rows in %v: %v; refused: %v", p.wrote.value(), rows, took.Round(time.Millisecond), kinds, refused)
}

// failures collects the errors of goroutines.
type failures struct {
	mu   sync.Mutex
	errs []error
}

func (f *failures) add(err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, err)
}

// report ends the test if there are errors. It shows the first ones.
func (p *proof) report() {
	p.t.Helper()
	p.failures.mu.Lock()
	defer p.failures.mu.Unlock()
	for _, err := range p.failures.errs[:min(5, len(p.failures.errs))] {
		p.t.Error(err)
	}
	if n := len(p.failures.errs); n > 0 {
		p.explain()
		p.t.Fatalf("%d errors", n)
	}
}

package equality_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/collections"
	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/triggers"
)

var (
	histories = flag.Int("equality.histories", 2400, "histories of TestCollectionsEqualSQL: each is a client beside some random transactions")
	perScript = flag.Int("equality.clients", 24, "clients beside the same transactions")
	firstSeed = flag.Uint64("equality.seed", 1, "seed of the first random transactions")
)

const stepsOfScript = 8

func TestMain(m *testing.M) {
	pgtest.Main(m, func(ctx context.Context, url string) error { return migrations.Up(ctx, url, migrations.Engine()) })
}

const tables = `
create type public.mood as enum ('glad', 'so, so', 'sad');
create domain public.state as varchar(20);
create table public.items (
    id integer primary key, status public.state, mood public.mood, n smallint, total numeric, due timestamptz, yes boolean,
    note text, tags text[]
);
create table public.parts (
    region text, id bigint, size bigint, day date, primary key (region, id)
) partition by list (region);
create table public.tasks (id integer primary key, state text, n integer, secret text, tags text[]);
create table public.parts_north partition of public.parts for values in ('north');
create table public.parts_south partition of public.parts for values in ('south', 'so"uth');
`

const spec = `
bigint: text
tables:
  - { name: public.items, collection: items, filter: "*", audience: n.tags }
  - { name: public.parts, collection: parts, filter: "*" }
  - name: public.tasks # the events of which have more than the row, or less
    collection: tasks
    row: [id, state, n]
    filter: [state, n]
    audience: n.tags
    on:
      insert: { type: task_created, payload: { id: n.id, state: n.state, n: n.n, more: "'more'" } }
      update: { type: task_updated, payload: { id: n.id, from: o.state, state: n.state, n: n.n } }
      delete: { type: task_deleted, payload: { id: n.id } }
`

// TestCollectionsEqualSQL runs random histories.
func TestCollectionsEqualSQL(t *testing.T) {
	w := newWorld(t)
	start, scripts := time.Now(), (*histories+*perScript-1) / *perScript
	for i := range scripts {
		w.run(*firstSeed + uint64(i))
	}
	t.Logf("%d histories of %d scripts from seed %d: %d comparisons, %d resumes, %d from the log, %d loads, %d resets for pruned events, %d rows compared, %v", scripts**perScript, scripts, *firstSeed,
		w.comparisons, w.resumes, w.feeds[0].Stats().CatchUps+w.feeds[1].Stats().CatchUps, w.loads, w.pruned, w.rows, time.Since(start).Round(time.Second))
}

// world is a database, and two feeds of its log: one holds all recent events, and one next to none.
type world struct {
	*testing.T
	ctx     context.Context
	rng     *rand.Rand
	seed    uint64
	step    int
	script  []string // what the writers did
	main    *pgx.Conn
	other   *pgx.Conn
	open    bool // whether other has a transaction
	hasLong bool // whether there are events above the limit
	log     *eventlog.Log
	feeds   []*stream.Feed
	wakeUps []chan struct{}
	passes  map[*stream.Feed]*stream.FanOutPass // of a step
	set     *collection.Set
	sources map[string]triggers.Source
	lists   *collections.Lists

	pruner *eventlog.Pruner

	comparisons, resumes, loads, rows, pruned int
}

func newWorld(t *testing.T) *world {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	url := pgtest.NewDatabase(t)
	w := &world{T: t, ctx: ctx, main: pgtest.Connect(t, url), other: pgtest.Connect(t, url), sources: map[string]triggers.Source{}}
	pgtest.Exec(t, w.main, tables)
	parsed, err := triggers.Parse([]byte(spec))
	if err == nil {
		_, err = triggers.Apply(ctx, w.main, parsed)
	}
	if err != nil {
		t.Fatal(err)
	}
	sources, err := triggers.Collections(ctx, w.main, parsed)
	if err != nil || len(sources) != 3 {
		t.Fatalf("%d collections, %v", len(sources), err)
	}
	w.openLists(url, sources)
	for _, bytes := range []int64{32 << 20, 4 << 10} {
		feed, wakeUps, done := stream.NewFeed(w.log, stream.FeedOptions{Bytes: bytes, Collections: w.set}), make(chan struct{}, 1), make(chan struct{})
		if err := feed.Fill(ctx); err != nil {
			t.Fatal(err)
		}
		go func() { defer close(done); feed.Run(ctx, wakeUps) }()
		t.Cleanup(func() {
			cancel()
			pgtest.Within(t, "the end of a feed", func() { <-done })
		})
		w.feeds, w.wakeUps = append(w.feeds, feed), append(w.wakeUps, wakeUps)
	}
	pgtest.Exec(t, w.main, "set timezone = 'UTC'; set datestyle = 'ISO'; set intervalstyle = 'postgres'")
	return w
}

// openLists opens the log, and the lists and the set of the collections.
func (w *world) openLists(url string, sources []triggers.Source) {
	pool, err := db.OpenSessionPool(w.ctx, url, "equality", 6)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(pool.Close)
	listPool, err := db.OpenPool(w.ctx, url, db.PoolOptions{Name: "equality lists", Size: 2, Timeout: time.Minute})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(listPool.Close)
	w.log = eventlog.New(pool, eventlog.Options{MaxEventBytes: 700})
	w.pruner = eventlog.NewPruner(pool, eventlog.PrunerOptions{MaxAge: time.Nanosecond})
	var all []collection.Collection
	var readable []collections.Source
	for _, s := range sources {
		w.sources[s.Name] = s
		all = append(all, s.Collection)
		readable = append(readable, collections.Source{Collection: s.Collection, From: s.From, KeySQL: s.KeySQL, RowSQL: s.RowSQL(), Audience: s.Audience})
	}
	if w.set, err = collection.NewSet(all); err == nil {
		w.lists, err = collections.New(w.ctx, listPool, w.log, readable, collections.Options{PageBytes: 1 << 20, Bytes: 8 << 20})
	}
	if err != nil {
		w.Fatal(err)
	}
}

// run runs the histories of one seed.
func (w *world) run(seed uint64) {
	w.Helper()
	w.seed, w.rng, w.script = seed, rand.New(rand.NewPCG(seed, 16)), nil
	w.hasLong = w.rng.IntN(3) == 0
	w.begin()
	clients := make([]*client, *perScript)
	for i := range clients {
		clients[i] = w.newClient(i)
	}
	truth := w.truth(clients)
	for _, c := range clients {
		c.load(truth)
	}
	for w.step = range stepsOfScript {
		w.write()
		truth := w.truth(clients)
		w.read(truth.cursor)
		if w.rng.IntN(40) == 0 { // all that no snapshot needs
			if _, err := w.pruner.Prune(w.ctx); err != nil {
				w.Fatal(err)
			}
		}
		w.passes = map[*stream.Feed]*stream.FanOutPass{}
		for _, feed := range w.feeds {
			w.passes[feed] = feed.NewFanOutPass([]int{400, 256 << 10, 256 << 10}[w.rng.IntN(3)])
		}
		for _, c := range clients {
			c.next(truth)
		}
	}
	w.endOther()
}

// read waits until the feeds have all that the cursor has seen.
func (w *world) read(cursor stream.Cursor) {
	w.Helper()
	for i, feed := range w.feeds {
		for !feed.Head().Covers(cursor) {
			select {
			case w.wakeUps[i] <- struct{}{}:
			default:
			}
			timer := time.NewTimer(100 * time.Microsecond)
			select {
			case <-timer.C:
			case <-w.Context().Done():
				timer.Stop()
				w.Fatalf("seed %d: the feed has %s, not %s", w.seed, feed.Head(), cursor)
			}
		}
	}
}

// truth holds a snapshot: for each selection the rows by key.
type truth struct {
	cursor stream.Cursor
	rows   map[*selection]map[string]string
}

// truth reads the rows that the selections mean, and the cursor of the snapshot.
func (w *world) truth(clients []*client) *truth {
	w.Helper()
	tx, err := w.main.BeginTx(w.ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		w.Fatal(err)
	}
	defer tx.Rollback(w.ctx)
	out := &truth{rows: map[*selection]map[string]string{}}
	for name, source := range w.sources {
		var conditions []string
		var owners []*client
		var selections []*selection
		for _, c := range clients {
			for _, s := range c.selections {
				if s.collection == name {
					conditions, owners, selections = append(conditions, s.meaning), append(owners, c), append(selections, s)
					out.rows[s] = map[string]string{}
				}
			}
		}
		tags := map[string]string{"items": "coalesce(n.tags, '{}')", "tasks": "coalesce(n.tags, '{}')", "parts": "array['*']"}[name]
		rows, err := tx.Query(w.ctx, "select "+source.KeySQL+", to_json(row)::text, "+tags+", array["+strings.Join(conditions, ", ")+"]::bool[] from "+source.From+
			" cross join lateral ("+source.RowSQL()+") as row", pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			w.Fatalf("seed %d: %v", w.seed, err)
		}
		var key, row string
		var audience []string
		var selected []*bool
		if _, err = pgx.ForEachRow(rows, []any{&key, &row, &audience, &selected}, func() error {
			for i, is := range selected {
				if is != nil && *is && owners[i].hears(audience) {
					out.rows[selections[i]][key] = row
				}
			}
			return nil
		}); err != nil {
			w.Fatalf("seed %d: %v", w.seed, err)
		}
	}
	if out.cursor, err = w.log.SnapshotCursor(w.ctx, tx); err != nil {
		w.Fatal(err)
	}
	return out
}

func (c *client) hears(audience []string) bool {
	return slices.ContainsFunc(audience, func(tag string) bool { return tag == "*" || slices.Contains(c.grants, tag) })
}

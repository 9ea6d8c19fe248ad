package notify_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
	"github.com/pgherald/pgherald/triggers"
)

// watched makes a table with its triggers in a database of its own, and returns the URL of that.
func watched(t *testing.T) string {
	t.Helper()
	url := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `create table public.rows (id bigint primary key, n int not null default 0)`)
	spec, err := triggers.Parse([]byte("tables:\n  - name: public.rows\n    on: { insert: row_created, update: row_updated }\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := triggers.Apply(t.Context(), conn, spec); err != nil {
		t.Fatal(err)
	}
	return url
}

// site is a server without its API.
type site struct {
	t        *testing.T
	listener *notify.Listener
	waker    *notify.Leader
	feed     *stream.Feed
	bell     *bell
	sub      *stream.Subscription
	client   streamtest.Client
	steps    chan notify.LeaderStep
	resume   chan struct{}
	lost     losses
	backend  atomic.Uint32 // the process that serves the waker's session, or did last
}

// losses is where a waker's log goes, which tells of lost sessions and of nothing else.
type losses chan struct{}

func (l losses) Write(line []byte) (int, error) {
	select {
	case l <- struct{}{}:
	default:
	}
	return len(line), nil
}

// siteOptions say how a site differs.
type siteOptions struct {
	waker    notify.LeaderOptions
	hold     notify.LeaderStep // it stays there until something comes from resume
	pulse    *pulse            // beats at each step
	wakerURL string            // through a proxy, say
	noWaker  bool
}

// newSite runs a server that follows the log.
func newSite(t *testing.T, url string, opts siteOptions) *site {
	t.Helper()
	pool := openPool(t, url)
	s := &site{t: t, steps: make(chan notify.LeaderStep, 10_000), resume: make(chan struct{}), lost: make(losses, 1)}
	opts.waker.Logger = slog.New(slog.NewTextHandler(s.lost, nil))
	var err error
	if s.listener, err = notify.OpenListener(t.Context(), url, pool, quick); err != nil {
		t.Fatal(err)
	}
	opts.waker.OnStep = func(step notify.LeaderStep) {
		select {
		case s.steps <- step:
		default: // nobody has looked for long
		}
		if opts.pulse != nil {
			opts.pulse.beat()
		}
		if step == opts.hold {
			<-s.resume
		}
	}
	if opts.wakerURL == "" {
		opts.wakerURL = url
	}
	if s.waker, err = notify.NewLeader(s.listener, opts.wakerURL, opts.waker); err != nil {
		t.Fatal(err)
	}
	s.waker.OnConnect(s.backend.Store)
	log, wake := eventlog.New(pool), make(chan struct{}, 1)
	s.feed, s.bell = stream.NewFeed(log, stream.FeedOptions{}), newBell(t, log)
	if err := s.feed.Fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	var sync stream.Sync
	if s.sub, sync, err = s.feed.Subscribe(t.Context(), s.feed.Head(), stream.Filter{}); err != nil {
		t.Fatal(err)
	}
	s.write(s.sub.Sync(nil, sync, time.Now()))
	background(t, s.listener.Run)
	background(t, func(ctx context.Context) { s.bell.follow(ctx, s.listener.Wake(), wake) })
	background(t, func(ctx context.Context) { s.feed.Run(ctx, wake) })
	if !opts.noWaker {
		background(t, s.waker.Run)
	}
	t.Cleanup(func() { close(s.resume) }) // before the waker is waited for
	waitLive(t, s.listener)
	return s
}

// background runs something until the test ends.
func background(t *testing.T, do func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { do(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
}

// ring makes the writers' doorbell ring often enough for a waker: at once, as time counts.
func ring(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	pgtest.Exec(t, conn, `select pg_notify('pgherald', 'x' || n) from generate_series(1, 20) as n`)
}

// reach rings until the waker takes this step.
func (s *site) reach(conn *pgx.Conn, want notify.LeaderStep) {
	s.t.Helper()
	ring(s.t, conn)
	s.await(want)
}

// await waits for a step.
func (s *site) await(want notify.LeaderStep) {
	s.t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case step := <-s.steps:
			if step == want {
				return
			}
		case <-timeout:
			s.t.Fatalf("the waker did not come to %q", want)
		}
	}
}

// hear listens for notifications.
func hear(t *testing.T, url string) func() string {
	t.Helper()
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `listen pgherald`)
	return func() string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return n.Payload
	}
}

// long is a waker that stays up.
var long = notify.LeaderOptions{Window: time.Hour}

// While a waker is up, it rings and the writers do not. When it rests, they do again.
func TestWakerRingsForWriters(t *testing.T) {
	url := watched(t)
	s := newSite(t, url, siteOptions{hold: notify.StepQuiet})
	conn := pgtest.Connect(t, url)
	s.reach(conn, notify.StepQuiet)
	next := hear(t, url)
	pgtest.Exec(t, conn, `insert into public.rows (id) values (1)`)
	s.resume <- struct{}{}
	if payload := next(); !strings.HasPrefix(payload, `{"leader": "`) {
		t.Errorf("while a waker is up, %s was heard", payload)
	}
	s.await(notify.StepDrained)
	pgtest.Exec(t, conn, `insert into public.rows (id) values (2)`)
	if payload := next(); !strings.HasPrefix(payload, `{"table" : "public.rows"`) {
		t.Errorf("while the waker rests, %s was heard", payload)
	}
	if status := s.waker.Status(); status.Terms != 1 {
		t.Errorf("status %+v", status)
	}
}

// A transaction that skipped its NOTIFY and commits when the waker has given the lock back is
// announced all the same, by a waker that still waits for it.
func TestWakerWaitsForOpenTransactions(t *testing.T) {
	url := watched(t)
	s := newSite(t, url, siteOptions{hold: notify.StepQuiet})
	conn := pgtest.Connect(t, url)
	s.reach(conn, notify.StepQuiet)
	tx := pgtest.Begin(t, url)
	if _, err := tx.Exec(t.Context(), `insert into public.rows (id) values (1)`); err != nil {
		t.Fatal(err)
	}
	s.resume <- struct{}{}
	s.await(notify.StepDraining)
	next := hear(t, url)
	pgtest.Commit(t, tx)
	if payload := next(); !strings.HasPrefix(payload, `{"leader": "`) {
		t.Errorf("%s was heard", payload)
	}
	s.await(notify.StepDrained)
}

// One of several is up; when it ends it asks for a successor, who finds what was left.
func TestWakerHasASuccessor(t *testing.T) {
	url := watched(t)
	first := newSite(t, url, siteOptions{noWaker: true, waker: long})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	running.Go(func() { first.waker.Run(ctx) })
	conn := pgtest.Connect(t, url)
	first.reach(conn, notify.StepLeading)
	second := newSite(t, url, siteOptions{})
	tx := pgtest.Begin(t, url)
	if _, err := tx.Exec(t.Context(), `insert into public.rows (id) values (1)`); err != nil {
		t.Fatal(err)
	}
	stop()
	running.Wait()
	second.await(notify.StepLeading)
	next := hear(t, url)
	pgtest.Commit(t, tx)
	if payload := next(); !strings.HasPrefix(payload, `{"leader": "`) {
		t.Errorf("%s was heard", payload)
	}
	second.await(notify.StepDrained)
}

// A session that is ended under the waker is made anew, and what it owed is found.
func TestWakerLosesItsSession(t *testing.T) {
	url := watched(t)
	s := newSite(t, url, siteOptions{waker: long})
	conn := pgtest.Connect(t, url)
	s.reach(conn, notify.StepLeading)
	for range 3 {
		pgtest.Exec(t, conn, `select pg_terminate_backend(pid) from pg_stat_activity
			where application_name = 'pgherald leader' and datname = current_database()`)
		s.await(notify.StepLeading)
	}
	if status := s.waker.Status(); status.State != "leading" || status.Terms != 4 {
		t.Errorf("status %+v", status)
	}
}

// Whoever cancels a statement at the worst moment must not leave the writers' half of the lock with
// its session: no waker would be up again while that lasts.
func TestCancelLeavesNoLock(t *testing.T) {
	url := watched(t)
	conn := pgtest.Connect(t, url)
	canceller := pgtest.Connect(t, url)
	quit := make(chan struct{})
	var cancelling sync.WaitGroup
	cancelling.Go(func() {
		for {
			select {
			case <-quit:
				return
			default:
				_, _ = canceller.Exec(context.Background(), `select pg_cancel_backend($1)`, conn.PgConn().PID())
			}
		}
	})
	cancelled := 0
	for i := 0; cancelled < 300 && t.Context().Err() == nil; i++ {
		if _, err := conn.Exec(t.Context(), `insert into public.rows (id) values ($1)`, i); err != nil {
			cancelled++
		}
	}
	close(quit)
	cancelling.Wait()
	var held int
	err := canceller.QueryRow(t.Context(), `select count(*) from pg_locks where locktype = 'advisory' and pid = $1`, conn.PgConn().PID()).Scan(&held)
	if err != nil || held > 0 {
		t.Errorf("%d locks are held after %d cancelled statements: %v", held, cancelled, err)
	}
}

func (s *site) write(b []byte) {
	s.t.Helper()
	if _, err := s.client.Write(b); err != nil {
		s.t.Fatal(err)
	}
}

// gets waits until the client has exactly the events of the log, each once.
func (s *site) gets(conn *pgx.Conn) {
	s.t.Helper()
	want := logged(s.t, conn)
	timeout := time.After(30 * time.Second)
	for {
		changed := s.feed.Changed()
		bufs, err := s.sub.Pending(nil, 1<<30)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, b := range bufs {
			s.write(b)
		}
		got := s.client.Events()
		if len(got) >= len(want) {
			s.compare(got, want)
			return
		}
		select {
		case <-changed:
		case <-timeout:
			s.t.Fatalf("%d of %d events came", len(got), len(want))
		}
	}
}

func (s *site) compare(got []streamtest.Envelope, want []int64) {
	s.t.Helper()
	ids := make([]int64, len(got))
	for i, e := range got {
		ids[i] = e.ID
	}
	slices.Sort(ids)
	slices.Sort(want)
	if diff := cmp.Diff(want, ids); diff != "" {
		s.t.Fatalf("events (-want +got):\n%s", diff)
	}
}

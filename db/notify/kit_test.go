package notify_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/pacing"
	"github.com/pgherald/pgherald/triggers"
)

// newWatchedTable creates a database with a watched table public.rows, and returns its URL.
func newWatchedTable(t *testing.T) string {
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

func openPool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := db.OpenLogPool(t.Context(), url, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// runUntilEnd runs f until the test ends, and waits for it.
func runUntilEnd(t *testing.T, f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f(ctx) })
	t.Cleanup(func() {
		cancel()
		pgtest.Within(t, "the end of a part", running.Wait)
	})
}

// requestLeader sends as many notifications as busy writers do, all at once, so that a leader is wanted. It sends thrice as many: if the
// listener stands still between two of them, enough others follow each other.
func requestLeader(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	pgtest.Exec(t, conn, `select pg_notify('pgherald', 'x' || n) from generate_series(1, $1::int) as n`, 3*pacing.BusyNotifications)
}

// hangLimit bounds every wait. It only ends a test that hangs: no test depends on the speed of the machine.
const hangLimit = 2 * time.Minute

// listenForWakeUps LISTENs on a connection of its own. The function that it returns waits for the next
// payload.
func listenForWakeUps(t *testing.T, url string) func() string {
	t.Helper()
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `listen pgherald`)
	return func() string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), hangLimit)
		defer cancel()
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return n.Payload
	}
}

// loggedIDs returns the ids of all committed events.
func loggedIDs(t *testing.T, conn *pgx.Conn) []int64 {
	t.Helper()
	rows, err := conn.Query(t.Context(), `select id from pgherald.events`)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// querier is a connection or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// stepBroadcast informs any number of goroutines that a leader has taken a step.
type stepBroadcast struct {
	mu      sync.Mutex
	changed chan struct{}
}

func (b *stepBroadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return b.changed
}

func (b *stepBroadcast) send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed != nil {
		close(b.changed)
	}
	b.changed = make(chan struct{})
}

// wait waits for the next step, and no longer than limit: while all writers wait, no leader may step.
func (b *stepBroadcast) wait(ctx context.Context, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-b.next():
	case <-timer.C:
	case <-ctx.Done():
	}
}

// observer takes the place of the reader that a listener wakes, and reports its wake-ups to the test.
type observer struct {
	t        *testing.T
	listener *notify.Listener
	received chan string // tokens from ControlChannel
	tokens   int
}

func newObserver(t *testing.T, url string) *observer {
	t.Helper()
	o := &observer{t: t, received: make(chan string, 10)}
	opts := quick
	opts.OnControl = func(token string) {
		select {
		case o.received <- token:
		default:
		}
	}
	var err error
	if o.listener, err = notify.OpenListener(t.Context(), url, openPool(t, url), opts); err != nil {
		t.Fatal(err)
	}
	runUntilEnd(t, o.listener.Run)
	waitLive(t, o.listener)
	return o
}

// flush returns when the listener has received all notifications that were sent before, and discards the
// wake-up. It relies on PostgreSQL delivering notifications in the order of their commits, across channels.
func (o *observer) flush(conn *pgx.Conn) {
	o.t.Helper()
	o.tokens++
	token := fmt.Sprintf("%p %d", o, o.tokens)
	pgtest.Exec(o.t, conn, `select pg_notify($1, $2)`, notify.ControlChannel, token)
	timeout := time.After(hangLimit)
	for got := ""; got != token; {
		select {
		case got = <-o.received:
		case <-timeout:
			o.t.Fatal("the listener receives no notification")
		}
	}
	select {
	case <-o.listener.Wake():
	default:
	}
}

// isWoken waits for a wake-up, and reports whether one came in time.
func (o *observer) isWoken() bool {
	ctx, cancel := context.WithTimeout(o.t.Context(), hangLimit)
	defer cancel()
	select {
	case <-o.listener.Wake():
		return true
	case <-ctx.Done():
		return false
	}
}

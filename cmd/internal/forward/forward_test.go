package forward

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/triggers"
)

// childVariable makes the test's program a process that forwards: the test kills it.
const childVariable = "PGHERALD_TEST_FORWARD"

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		child(text)
	}
	pgtest.Main(m, func(ctx context.Context, url string) error { return migrations.Up(ctx, url, migrations.Engine()) })
}

// child forwards until it is killed.
func child(text string) {
	var given struct{ URL, To string }
	if err := json.Unmarshal([]byte(text), &given); err != nil {
		panic(err)
	}
	config := testConfig(given.URL, given.To)
	config.Attempts, config.Timeout, config.Lease = 1_000_000, 2*time.Second, 3*time.Second // random faults park nothing
	err := keepRunning(context.Background(), config)
	slog.New(slog.NewTextHandler(os.Stderr, nil)).Error("child ended", "error", err)
	os.Exit(1)
}

// testConfig returns the settings of most tests. Its times are longer than this machine stands still.
func testConfig(databaseURL, to string) Config {
	target, err := ParseTarget(to, false)
	if err != nil {
		panic(err)
	}
	return Config{
		DatabaseURL: databaseURL, LoadSpec: testSpec, Name: "billing", To: target, Secrets: []string{secret}, Start: "oldest", Batch: 1, Parallel: 4,
		Attempts: 1000, MaxParked: 100, Timeout: time.Minute, Lease: 20 * time.Second, Poll: time.Second, Version: "test",
		Logger: slog.New(slog.DiscardHandler), Metrics: NewMetrics("billing"),
	}
}

func testSpec() (triggers.Spec, error) { return specOf("public.orders") }

// specOf returns the spec that --tables gives.
func specOf(tables ...string) (triggers.Spec, error) {
	spec, _, err := server.Watch{Tables: tables}.Load()
	return spec, err
}

// orders creates the table public.orders and its triggers.
func orders(t *testing.T) (databaseURL string, conn *pgx.Conn) {
	t.Helper()
	databaseURL = pgtest.NewDatabase(t)
	conn = pgtest.Connect(t, databaseURL)
	pgtest.Exec(t, conn, `create table public.orders (id bigint primary key, status text not null, total bigint not null)`)
	apply(t, conn, "public.orders")
	return databaseURL, conn
}

// apply applies the spec that --tables gives.
func apply(t *testing.T, conn *pgx.Conn, tables ...string) {
	t.Helper()
	spec, err := specOf(tables...)
	if err == nil {
		_, err = triggers.Apply(t.Context(), conn, spec)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// keepRunning runs again after an error with which a slow machine may end the first connections.
func keepRunning(ctx context.Context, config Config) error {
	for {
		if err := Run(ctx, config); isFinal(err) || ctx.Err() != nil {
			return err
		}
	}
}

// start forwards until stop is called, which returns Run's error.
func start(t *testing.T, config Config) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- keepRunning(ctx, config) }()
	var result error
	isStopped := false
	stop = func() error {
		if !isStopped {
			cancel()
			result = <-ended
			isStopped = true
		}
		return result
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

// wait returns the error with which a Run ends by itself.
func wait(t *testing.T, config Config) (err error) {
	t.Helper()
	pgtest.Within(t, "forward ends", func() { err = keepRunning(t.Context(), config) })
	return err
}

func publish(t *testing.T, conn *pgx.Conn, keys ...string) {
	t.Helper()
	for _, key := range keys {
		pgtest.Exec(t, conn, `select pgherald.publish('note', to_json($1::text), nullif($1, ''))`, key)
	}
}

// rowsOf returns the rows as events have them.
func rowsOf(t *testing.T, conn *pgx.Conn) map[string]string {
	t.Helper()
	rows, err := conn.Query(t.Context(), `select o.id::text, to_json(o)::text from public.orders as o`)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	var key, data string
	if _, err = pgx.ForEachRow(rows, []any{&key, &data}, func() error { found[key] = data; return nil }); err != nil {
		t.Fatal(err)
	}
	return found
}

// TestForward checks what a service receives, and that a restart goes on behind it.
func TestForward(t *testing.T) {
	t.Parallel()
	databaseURL, conn := orders(t)
	r := newReceiver(t)
	pgtest.Exec(t, conn, `insert into public.orders values (1, 'open', 10)`)
	config := testConfig(databaseURL, r.url)
	stop := start(t, config)
	r.awaitRows(rowsOf(t, conn))
	pgtest.Exec(t, conn, `update public.orders set status = 'paid'`)
	r.awaitRows(rowsOf(t, conn))
	checkStopped(t, stop())
	pgtest.Exec(t, conn, `delete from public.orders`)
	publish(t, conn, "a")
	config.Batch = 10
	stop = start(t, config)
	r.await("the published event", func() bool { return r.last["a"] > 0 })
	r.awaitRows(map[string]string{"a": `"a"`})
	checkStopped(t, stop())
	all := r.events()
	if len(all) != 4 {
		t.Errorf("got %d events, want 4: %v", len(all), all)
	}
	first := all[0]
	if first.Collection != "orders" || first.Op != "insert" || first.Key != "1" || first.XID == "" {
		t.Errorf("got %+v", first)
	}
}

// TestFilter checks that rows that leave a selection are deleted at the receiver.
func TestFilter(t *testing.T) {
	t.Parallel()
	databaseURL, conn := orders(t)
	r := newReceiver(t)
	config := testConfig(databaseURL, r.url)
	config.Filter = map[string][]string{"collection": {"orders"}, "where.absent": {"open"}}
	if err := wait(t, config); !strings.Contains(err.Error(), "absent") {
		t.Errorf("a filter on a field that is none: %v", err)
	}
	config.Filter = map[string][]string{"collection": {"orders"}, "where.status": {"open"}}
	config.Start = "yesterday"
	if _, isSettings := errors.AsType[*SettingsError](wait(t, config)); !isSettings {
		t.Error("an unknown start is accepted")
	}
	config.Start = "oldest"
	start(t, config)
	pgtest.Exec(t, conn, `insert into public.orders values (1, 'open', 1), (2, 'paid', 1)`)
	publish(t, conn, "not selected")
	pgtest.Exec(t, conn, `update public.orders set status = 'paid'`)
	r.await("two events", func() bool { return len(r.all) == 2 })
	if left := r.events()[1]; left.Op != "delete" || left.Key != "1" || left.Data != nil {
		t.Errorf("got %+v", left)
	}
}

// TestPoison checks that an event which the receiver refuses is parked with the later ones of its key, that others go on, and that a
// replay sends them in order.
func TestPoison(t *testing.T) {
	t.Parallel()
	databaseURL, conn := orders(t)
	r := newReceiver(t)
	r.refuse(func(e delivery) int {
		if e.Key == "bad" {
			return http.StatusUnprocessableEntity
		}
		return 0
	})
	config := testConfig(databaseURL, r.url)
	config.Batch, config.Attempts = 3, 2
	stop := start(t, config)
	publish(t, conn, "bad", "good", "bad", "good", "bad")
	awaitParked(t, conn, 3)
	r.await("the other events", func() bool { return len(r.all) == 2 })
	_ = stop()
	start(t, config) // knows what is parked
	publish(t, conn, "bad", "good")
	awaitParked(t, conn, 4)
	r.await("the other events", func() bool { return len(r.all) == 3 })
	if all := r.events(); slices.ContainsFunc(all, func(e delivery) bool { return e.Key == "bad" }) {
		t.Errorf("got %+v", all)
	}
	r.refuse(nil)
	awaitCount(t, conn, `select count(*) from pgherald.consumers where failing_since is not null`, 0)
	if n, err := Replay(t.Context(), databaseURL, "billing", nil); n != 4 || err != nil {
		t.Errorf("replay of %d events: %v", n, err)
	}
	r.await("the parked events", func() bool { return len(r.all) == 7 })
	awaitParked(t, conn, 0)
	publish(t, conn, "bad")
	r.await("a later event", func() bool { return len(r.all) == 8 })
}

// TestBlocked checks that an event at which the receiver breaks is parked also if all others wait for it: a TRUNCATE is behind it.
func TestBlocked(t *testing.T) {
	t.Parallel()
	databaseURL, conn := orders(t)
	r := newReceiver(t)
	broken := 0
	r.refuse(func(e delivery) int {
		if e.Key != "bad" {
			return 0
		}
		broken++
		return http.StatusInternalServerError
	})
	config := testConfig(databaseURL, r.url)
	config.Attempts = 2
	start(t, config)
	publish(t, conn, "bad")
	r.await("a second attempt: the first has failed", func() bool { return broken > 1 })
	publish(t, conn, "good")
	r.await("the other event", func() bool { return len(r.all) == 1 })
	pgtest.Exec(t, conn, `truncate public.orders`)
	r.await("the event behind it", func() bool { return len(r.all) == 2 })
	awaitParked(t, conn, 1)
}

// awaitParked waits until so many events are parked.
func awaitParked(t *testing.T, conn *pgx.Conn, want int) {
	t.Helper()
	awaitCount(t, conn, `select count(*) from pgherald.parked`, want)
}

// awaitCount waits until a statement returns a number.
func awaitCount(t *testing.T, conn *pgx.Conn, sql string, want int) {
	t.Helper()
	pgtest.Within(t, sql, func() {
		looks := time.NewTicker(20 * time.Millisecond)
		defer looks.Stop()
		for n := -1; n != want; <-looks.C {
			if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
				t.Error(err)
				return
			}
		}
	})
}

// TestOutage checks that an outage of the receiver parks nothing.
func TestOutage(t *testing.T) {
	t.Parallel()
	databaseURL, conn := orders(t)
	r := newReceiver(t)
	r.refuse(func(delivery) int { return http.StatusBadGateway })
	config := testConfig(databaseURL, r.url)
	config.Attempts = 2
	start(t, config)
	publish(t, conn, "a", "b", "c", "a", "")
	r.await("more failures than attempts", func() bool { return r.answers > 6 })
	r.refuse(nil)
	r.await("all events", func() bool { return len(r.all) == 5 })
	awaitParked(t, conn, 0)
}

// TestGone checks that 410 ends the process, and that the position stays.
func TestGone(t *testing.T) {
	t.Parallel()
	databaseURL, conn := orders(t)
	r := newReceiver(t)
	r.refuse(func(delivery) int { return http.StatusGone })
	config := testConfig(databaseURL, r.url)
	publish(t, conn, "a")
	if err := wait(t, config); !errors.Is(err, errGone) {
		t.Errorf("got %v", err)
	}
	r.refuse(nil)
	start(t, config)
	r.await("the event", func() bool { return len(r.all) == 1 })
}

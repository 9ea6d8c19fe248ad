package notify_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
)

// quick makes a listener that probes and reconnects often. The probe timeout is long, since no test asserts
// how long something takes that works; see shortenProbeTimeout.
var quick = notify.ListenerOptions{
	ProbeInterval: 100 * time.Millisecond,
	ProbeTimeout:  30 * time.Second,
	MaxBackoff:    200 * time.Millisecond,
}

// shortenProbeTimeout makes a listener that has connected, and does not run yet, soon give up a connection
// that does not answer.
func shortenProbeTimeout(l *notify.Listener) { l.SetProbeTimeout(500 * time.Millisecond) }

// runListener runs a listener that sends its probes to the URL on which it listens.
func runListener(t *testing.T, url string) *notify.Listener {
	t.Helper()
	l, err := notify.OpenListener(t.Context(), url, openPool(t, url), quick)
	if err != nil {
		t.Fatal(err)
	}
	runUntilEnd(t, l.Run)
	return l
}

func waitLive(t *testing.T, l *notify.Listener) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hangLimit)
	defer cancel()
	if err := l.WaitLive(ctx); err != nil {
		t.Fatal(err)
	}
}

func waitNotLive(t *testing.T, l *notify.Listener) {
	t.Helper()
	for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
		if !l.Status().Live {
			tick.Stop()
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("the listener is still live")
		}
	}
}

func waitWake(t *testing.T, l *notify.Listener) {
	t.Helper()
	select {
	case <-l.Wake():
	case <-time.After(hangLimit):
		t.Fatal("the reader was not woken")
	}
}

// waitReason waits until both Status and WaitLive give a reason that contains the text.
func waitReason(t *testing.T, l *notify.Listener, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hangLimit)
	defer cancel()
	ended, end := context.WithCancel(ctx)
	end()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		err := l.WaitLive(ended)
		if err != nil && strings.Contains(l.Status().Reason, text) && strings.Contains(err.Error(), text) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("got reason %q and error %v, want %q in both", l.Status().Reason, err, text)
		}
	}
}

// terminateListener terminates the sessions of all listeners of the database.
func terminateListener(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	pgtest.Exec(t, conn, `select pg_terminate_backend(pid) from pg_stat_activity
		where application_name = 'pgherald listener' and datname = current_database()`)
}

func TestListenerWakesAfterEachNotification(t *testing.T) {
	url := pgtest.NewDatabase(t)
	l := runListener(t, url)
	waitWake(t, l) // since it has connected
	waitLive(t, l)
	conn := pgtest.Connect(t, url)
	for range 3 {
		pgtest.Exec(t, conn, `select pg_notify('pgherald', '{}')`)
		waitWake(t, l)
	}
}

func TestListenerReconnectsAndWakes(t *testing.T) {
	url := pgtest.NewDatabase(t)
	l := runListener(t, url)
	waitWake(t, l)
	waitLive(t, l)
	conn := pgtest.Connect(t, url)
	terminateListener(t, conn)
	waitWake(t, l) // since it has connected again
	waitLive(t, l)
	pgtest.Exec(t, conn, `select pg_notify('pgherald', '{}')`)
	waitWake(t, l)
}

func TestListenerReplacesADeadConnection(t *testing.T) {
	url := pgtest.NewDatabase(t)
	proxy := pgtest.NewProxyOf(t, url)
	l, err := notify.OpenListener(t.Context(), proxy.URL(url), openPool(t, url), quick)
	if err != nil {
		t.Fatal(err)
	}
	shortenProbeTimeout(l)
	runUntilEnd(t, l.Run)
	waitLive(t, l)
	proxy.Blackhole(true) // probes are sent, and do not come back
	waitNotLive(t, l)
	proxy.Blackhole(false)
	waitLive(t, l)
}

// The probe of a lost connection can fail after another connection has replaced it. Its failure must not
// count against that one: the listener would never probe again.
func TestListenerIgnoresTheProbeOfALostConnection(t *testing.T) {
	url := pgtest.NewDatabase(t)
	proxy := pgtest.NewProxyOf(t, url)
	l, err := notify.OpenListener(t.Context(), url, openPool(t, proxy.URL(url)), quick)
	if err != nil {
		t.Fatal(err)
	}
	shortenProbeTimeout(l)
	runUntilEnd(t, l.Run)
	waitWake(t, l)
	waitLive(t, l)
	conn := pgtest.Connect(t, url)
	proxy.Blackhole(true) // from here on probes end by their timeout only
	for range 3 {
		terminateListener(t, conn)
		waitWake(t, l) // a new connection listens, and needs a probe
	}
	waitReason(t, l, "send a probe")
	proxy.Blackhole(false)
	waitLive(t, l)
}

// pgxlisten logs an error of HandleBacklog and would go on with the connection.
func TestListenerReplacesAConnectionThatIsNotValid(t *testing.T) {
	url := pgtest.NewDatabase(t)
	l, err := notify.OpenListener(t.Context(), url, openPool(t, url), quick)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	attempts := 0
	l.SetValidate(func(ctx context.Context, conn *pgx.Conn) error {
		mu.Lock()
		defer mu.Unlock()
		if attempts++; attempts <= 3 {
			return errors.New("not valid")
		}
		return db.CheckServer(ctx, conn)
	})
	runUntilEnd(t, l.Run)
	waitLive(t, l)
	mu.Lock()
	defer mu.Unlock()
	if attempts != 6 {
		t.Errorf("got %d attempts, want 6: three connections that failed, and three channels of a valid one", attempts)
	}
}

// A pooler in transaction mode accepts LISTEN and delivers nothing. A sender that is connected to another
// database has the same effect.
func TestListenerSuggestsADirectURL(t *testing.T) {
	l, err := notify.OpenListener(t.Context(), pgtest.NewDatabase(t), openPool(t, pgtest.NewDatabase(t)), quick)
	if err != nil {
		t.Fatal(err)
	}
	shortenProbeTimeout(l)
	runUntilEnd(t, l.Run)
	waitReason(t, l, "--listen-database-url")
}

// Through a pooler in transaction mode, each step of listening may fail with an error that does not name the cause.
func TestListenerNamesThePooler(t *testing.T) {
	url := pgtest.NewDatabase(t)
	l, err := notify.OpenListener(t.Context(), pgtest.NewPgBouncer(t, url, "transaction", 1), openPool(t, url), quick)
	if err != nil {
		t.Fatal(err)
	}
	l.SetValidate(func(context.Context, *pgx.Conn) error { return errors.New("any failure") })
	runUntilEnd(t, l.Run)
	waitReason(t, l, "leads through a pooler, which must not be in transaction mode: give a direct URL with --listen-database-url")
}

func TestListenerThroughAPoolerInSessionMode(t *testing.T) {
	url := pgtest.NewDatabase(t)
	l, err := notify.OpenListener(t.Context(), pgtest.NewPgBouncer(t, url, "session", 1), openPool(t, url), quick)
	if err != nil {
		t.Fatal(err)
	}
	runUntilEnd(t, l.Run)
	waitLive(t, l)
}

func TestOpenListenerFailsWithoutAServer(t *testing.T) {
	url := pgtest.NewDatabase(t)
	pool := openPool(t, url)
	for name, bad := range map[string]string{
		"malformed URL": "postgres://%zz",
		"no server":     "postgres://postgres@127.0.0.1:1/x?sslmode=disable",
		"no database":   url[:strings.LastIndex(url, "/")] + "/nowhere?sslmode=disable",
	} {
		if _, err := notify.OpenListener(t.Context(), bad, pool, quick); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestListenerIgnoresTheIdleTimeout(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, url)
	if pgtest.Version(t) < idleTimeoutVersion {
		t.Skip("PostgreSQL 13 has no idle_session_timeout")
	}
	pgtest.SetDefault(t, conn, "idle_session_timeout", "1h")
	l, err := notify.OpenListener(t.Context(), url, openPool(t, url), quick)
	if err != nil {
		t.Fatal(err)
	}
	timeouts := make(chan string, 10)
	l.SetValidate(func(ctx context.Context, conn *pgx.Conn) error {
		var timeout string
		err := conn.QueryRow(ctx, `select current_setting('idle_session_timeout')`).Scan(&timeout)
		select {
		case timeouts <- timeout:
		default:
		}
		return err
	})
	runUntilEnd(t, l.Run)
	waitLive(t, l)
	if got := <-timeouts; got != "0" {
		t.Errorf("the listener's session ends when it is idle for %s", got)
	}
}

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

// quick are times that make a test short. Nothing is asserted about how long anything takes, and what
// works may take as long as a busy machine wants: see hasten.
var quick = notify.ListenerOptions{
	ProbeInterval: 100 * time.Millisecond,
	ProbeTimeout:  30 * time.Second,
	MaxBackoff:    200 * time.Millisecond,
}

// hasten makes a listener that has connected, and does not run yet, soon give up what does not answer.
func hasten(l *notify.Listener) { l.SetProbeTimeout(500 * time.Millisecond) }

// listen runs a listener on url, which sends its probes there too.
func listen(t *testing.T, url string) *notify.Listener {
	t.Helper()
	l, err := notify.OpenListener(t.Context(), url, openPool(t, url), quick)
	if err != nil {
		t.Fatal(err)
	}
	run(t, l)
	return l
}

func run(t *testing.T, l *notify.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { l.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
}

func waitLive(t *testing.T, l *notify.Listener) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := l.WaitLive(ctx); err != nil {
		t.Fatal(err)
	}
}

func waitDown(t *testing.T, l *notify.Listener) {
	t.Helper()
	for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
		if !l.Status().Live {
			tick.Stop()
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("the listener did not go down")
		}
	}
}

func waitWake(t *testing.T, l *notify.Listener) {
	t.Helper()
	select {
	case <-l.Wake():
	case <-time.After(30 * time.Second):
		t.Fatal("nothing woke the reader")
	}
}

func TestListenerWakes(t *testing.T) {
	url := pgtest.NewDatabase(t)
	l := listen(t, url)
	waitWake(t, l) // because it has connected
	waitLive(t, l)
	conn := pgtest.Connect(t, url)
	for range 3 {
		pgtest.Exec(t, conn, `select pg_notify('pgherald', '{}')`)
		waitWake(t, l)
	}
}

func TestListenerReconnectsWhenItsBackendIsTerminated(t *testing.T) {
	url := pgtest.NewDatabase(t)
	l := listen(t, url)
	waitWake(t, l)
	waitLive(t, l)
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgherald listener' and datname = current_database()`)
	waitWake(t, l) // the new connection reads what was missed
	waitLive(t, l)
	pgtest.Exec(t, conn, `select pg_notify('pgherald', '{}')`)
	waitWake(t, l)
}

func TestListenerNoticesADeadConnection(t *testing.T) {
	url := pgtest.NewDatabase(t)
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := pgtest.NewProxy(t, addressOf(config))
	l, err := notify.OpenListener(t.Context(), proxy.URL(url), openPool(t, url), quick)
	if err != nil {
		t.Fatal(err)
	}
	hasten(l)
	run(t, l)
	waitLive(t, l)
	proxy.Blackhole(true) // probes are sent, and do not come back
	waitDown(t, l)
	proxy.Blackhole(false)
	waitLive(t, l)
}

// A probe that was sent for a connection which is gone fails when there is another already. Its end
// must not be taken for that one's: nobody would ever ask for a proof of life again.
func TestListenerOutlivesTheProbeOfALostConnection(t *testing.T) {
	url := pgtest.NewDatabase(t)
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := pgtest.NewProxy(t, addressOf(config))
	l, err := notify.OpenListener(t.Context(), url, openPool(t, proxy.URL(url)), quick)
	if err != nil {
		t.Fatal(err)
	}
	hasten(l)
	run(t, l)
	waitWake(t, l)
	waitLive(t, l)
	conn := pgtest.Connect(t, url)
	proxy.Blackhole(true) // from here on no probe ends but by its time-out
	for range 3 {
		pgtest.Exec(t, conn, `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgherald listener' and datname = current_database()`)
		waitWake(t, l) // another connection listens, and is to be probed
	}
	waitReason(t, l, "send a probe")
	proxy.Blackhole(false)
	waitLive(t, l)
}

// waitReason waits until the listener gives a reason that contains the text, to those who ask and to
// those who can wait no longer.
func waitReason(t *testing.T, l *notify.Listener, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	over, end := context.WithCancel(ctx)
	end()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		err := l.WaitLive(over)
		if err != nil && strings.Contains(l.Status().Reason, text) && strings.Contains(err.Error(), text) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the reason is %q, not %q; %v", l.Status().Reason, text, err)
		}
	}
}

// pgxlisten logs an error of HandleBacklog and goes on listening, deaf to what it missed.
func TestListenerStartsAnewWhenTheBacklogFails(t *testing.T) {
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
			return errors.New("backlog does not work")
		}
		return db.CheckServer(ctx, conn)
	})
	run(t, l)
	waitLive(t, l)
	mu.Lock()
	defer mu.Unlock()
	if attempts != 6 { // three connections that failed, and three channels of one that did not
		t.Errorf("got %d attempts", attempts)
	}
}

// A pooler in transaction mode accepts LISTEN and delivers nothing. So does a sender that is
// connected to another database.
func TestListenerSaysWhenNotificationsDoNotArrive(t *testing.T) {
	l, err := notify.OpenListener(t.Context(), pgtest.NewDatabase(t), openPool(t, pgtest.NewDatabase(t)), quick)
	if err != nil {
		t.Fatal(err)
	}
	hasten(l)
	run(t, l)
	waitReason(t, l, "--listen-database-url")
}

func TestOpenListenerFailsFast(t *testing.T) {
	url := pgtest.NewDatabase(t)
	pool := openPool(t, url)
	for name, bad := range map[string]string{
		"malformed":   "postgres://%zz",
		"nobody home": "postgres://postgres@127.0.0.1:1/x?sslmode=disable",
		"no database": url[:strings.LastIndex(url, "/")] + "/nowhere?sslmode=disable",
	} {
		if _, err := notify.OpenListener(t.Context(), bad, pool, quick); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestListenerMayBeIdle(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, url)
	if conn.PgConn().ParameterStatus("server_version") < "14" {
		t.Skip("idle_session_timeout came with PostgreSQL 14")
	}
	pgtest.SetDefault(t, conn, "idle_session_timeout", "100ms")
	l := listen(t, url)
	waitLive(t, l)
	pgtest.Exec(t, conn, `select pg_sleep(0.5)`)
	if s := l.Status(); s.Disconnects > 0 || strings.Contains(s.Reason, "idle") {
		t.Errorf("the listener went down: %+v", s)
	}
}

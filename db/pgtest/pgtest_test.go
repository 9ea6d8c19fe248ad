package pgtest_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, func(ctx context.Context, databaseURL string) error {
		conn, err := pgx.Connect(ctx, databaseURL)
		if err != nil {
			return err
		}
		// A second run on the same server would fail.
		_, err = conn.Exec(ctx, "create table things (id int primary key); create role set_up_once")
		return errors.Join(err, conn.Close(ctx))
	})
}

func value[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("run %q: %v", sql, err)
	}
	return v
}

func TestDatabasesAreIsolated(t *testing.T) {
	first := pgtest.Connect(t, pgtest.NewDatabase(t))
	pgtest.Exec(t, first, "insert into things select generate_series(1, $1)", 3)
	second := pgtest.Connect(t, pgtest.NewDatabase(t))
	if got := value[int](t, second, "select count(*) from things"); got != 0 {
		t.Errorf("the second database begins with %d rows of the first", got)
	}
	empty := pgtest.Connect(t, pgtest.EmptyDatabase(t))
	if got := value[bool](t, empty, "select to_regclass('things') is null"); !got {
		t.Error("the empty database has the schema")
	}
}

func TestDatabasesInParallel(t *testing.T) {
	urls := make(chan string, 8)
	var wg sync.WaitGroup
	for range cap(urls) {
		wg.Go(func() { urls <- pgtest.NewDatabase(t) })
	}
	wg.Wait()
	close(urls)
	seen := make(map[string]bool)
	for u := range urls {
		pgtest.Exec(t, pgtest.Connect(t, u), "insert into things values (1)")
		seen[u] = true
	}
	if len(seen) != cap(urls) {
		t.Errorf("%d databases have %d URLs", cap(urls), len(seen))
	}
}

func TestDatabaseIsDroppedWhileInUse(t *testing.T) {
	admin := pgtest.Connect(t, pgtest.EmptyDatabase(t))
	var user *pgx.Conn
	t.Run("user", func(t *testing.T) {
		var err error
		if user, err = pgx.Connect(t.Context(), pgtest.NewDatabase(t)); err != nil {
			t.Fatal(err)
		}
	})
	if err := user.Ping(t.Context()); err == nil {
		t.Error("the connection outlived the drop")
	}
	name := user.Config().Database
	if value[bool](t, admin, "select exists (select from pg_database where datname = $1)", name) {
		t.Errorf("the database %s is still there", name)
	}
}

func TestURL(t *testing.T) {
	u, err := url.Parse(pgtest.NewDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	if u.Hostname() != "127.0.0.1" || u.User.String() != "postgres" || u.RawQuery != "sslmode=disable" ||
		!strings.Contains(u.Path, "testurl") {
		t.Errorf("the URL is %s", u)
	}
}

func TestVersion(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.EmptyDatabase(t))
	want := value[int](t, conn, "select current_setting('server_version_num')::int / 10000")
	if got := pgtest.Version(t); got != want {
		t.Errorf("Version is %d, the server's is %d", got, want)
	}
}

func TestPsql(t *testing.T) {
	databaseURL := pgtest.NewDatabase(t)
	out := pgtest.Psql(t, databaseURL, "insert into things values (7); select id, 'x' from things; listen a; notify a, 'b';")
	if !strings.HasPrefix(out, "7|x\n") || !strings.Contains(out, `notification "a" with payload "b"`) {
		t.Errorf("psql printed %q", out)
	}
}

func TestClusterThroughKillAndStop(t *testing.T) {
	c := pgtest.NewCluster(t)
	databaseURL := c.NewDatabase(t)
	pgtest.Exec(t, pgtest.Connect(t, databaseURL), "insert into things values (1)")
	for want, end := range []func(testing.TB){c.Kill, c.Stop, c.Kill} {
		conn := pgtest.Connect(t, databaseURL)
		end(t)
		if err := conn.Ping(t.Context()); err == nil {
			t.Error("the connection outlived the server")
		}
		if _, err := pgx.Connect(t.Context(), databaseURL); err == nil {
			t.Error("the server accepts connections after its end")
		}
		c.Start(t)
		conn = pgtest.Connect(t, databaseURL)
		if got := value[int](t, conn, "select count(*) from things"); got != want+1 {
			t.Errorf("%d rows are left of %d", got, want+1)
		}
		pgtest.Exec(t, conn, "insert into things values ($1)", want+2)
	}
	if !strings.Contains(c.LogTail(), "ready to accept connections") {
		t.Errorf("the log says %q", c.LogTail())
	}
	empty := pgtest.Connect(t, c.EmptyDatabase(t))
	if value[int](t, empty, "select current_setting('max_connections')::int") < 300 {
		t.Error("the server allows too few connections for tests with many clients")
	}
}

// leakEnv makes TestLeak leak a goroutine.
const leakEnv = "PGHERALD_TEST_LEAK"

func TestLeak(t *testing.T) {
	if os.Getenv(leakEnv) == "" {
		t.Skip("runs in the process that TestMainFindsLeaks starts")
	}
	pgtest.NewDatabase(t)
	go func() { select {} }()
}

func TestMainFindsLeaks(t *testing.T) {
	temp, err := os.MkdirTemp("", "pgherald-leak-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o711); err != nil { // for root, the server runs as another user
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLeak$")
	cmd.Env = append(os.Environ(), leakEnv+"=1", "TMPDIR="+temp)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "TestLeak.func") {
		t.Errorf("Main ended with %v and printed %s", err, out)
	}
	if entries, err := os.ReadDir(temp); err != nil || len(entries) != 0 {
		t.Errorf("Main left %v behind, %v", entries, err)
	}
}

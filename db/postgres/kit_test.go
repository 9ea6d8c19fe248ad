package postgres

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperEnv); dir != "" {
		os.Exit(helper(dir))
	}
	goleak.VerifyTestMain(m)
}

func testInstallation(t *testing.T) Installation {
	t.Helper()
	inst, err := Find(t.Context(), Options{BinDir: os.Getenv("PGHERALD_TEST_PG_BIN"), Fetch: true})
	if err != nil {
		t.Fatal(err)
	}
	return inst
}

// tempDir creates a directory that the user postgres may enter, unlike t.TempDir.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgherald-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func startIn(t *testing.T, inst Installation, dir string) *Cluster {
	t.Helper()
	c, err := Start(within(t), inst, ClusterOptions{DataDir: dir, Unsafe: true, Settings: map[string]string{"shared_buffers": "16MB"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func query(t *testing.T, c *Cluster, sql string) string {
	t.Helper()
	conn := connect(t, c)
	defer conn.Close(context.Background())
	var value any
	if err := conn.QueryRow(within(t), sql).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(value)
}

// helperEnv names a directory. It makes the test binary start a cluster there, print the server's process id,
// and wait.
const helperEnv = "PGHERALD_TEST_HELPER_DIR"

func helper(dir string) int {
	ctx := context.Background()
	inst, err := Find(ctx, Options{BinDir: os.Getenv("PGHERALD_TEST_PG_BIN"), Fetch: true})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	c, err := Start(ctx, inst, ClusterOptions{DataDir: dir, Unsafe: true})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(c.PID())
	<-c.Done()
	return 0
}

func connect(t *testing.T, c *Cluster) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(within(t), c.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func run(t *testing.T, c *Cluster, sql string) {
	t.Helper()
	conn := connect(t, c)
	defer conn.Close(context.Background())
	if _, err := conn.Exec(within(t), sql); err != nil {
		t.Fatal(err)
	}
}

// occupy keeps a backend busy with a statement that never checks whether the postmaster is alive. The returned
// function waits until its client is disconnected.
func occupy(t *testing.T, c *Cluster) func() {
	t.Helper()
	conn := connect(t, c)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = conn.Exec(context.Background(), "do $$ begin loop end loop; end $$")
		_ = conn.Close(context.Background())
	}()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for query(t, c, "select count(*) from pg_stat_activity where state = 'active' and query like 'do %'") == "0" {
		<-tick.C
	}
	return func() { <-ended }
}

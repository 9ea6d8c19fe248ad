package pgtest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
)

// NewStandby starts a server that follows this one, and removes it when the test ends. If it is synchronous, a commit on
// this server waits until the standby has it on disk. It skips the test if these programs, such as those from npm, lack
// pg_basebackup.
func (c *Cluster) NewStandby(t testing.TB, synchronous bool) *Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	dir, err := os.MkdirTemp("", "pgherald-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil { // pg_basebackup creates the data directory as the server's user
		t.Fatal(err)
	}
	server, err := c.server.NewStandby(ctx, filepath.Join(dir, "data"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	standby := &Cluster{server: server, dir: dir, setup: c.setup, template: c.template}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the standby's log ends with:\n%s", server.LogTail())
		}
		if err := standby.close(); err != nil {
			t.Error(err)
		}
	})
	if synchronous {
		c.Set(t, "synchronous_standby_names", "'*'")
	}
	return standby
}

// Promote makes a standby a primary.
func (c *Cluster) Promote(t testing.TB) {
	t.Helper()
	c.Set(t, "synchronous_standby_names", "''") // the copy has it if a standby was there before
	c.exec(t, `select pg_promote()`)
	c.exec(t, `checkpoint`) // pg_rewind reads the timeline from the control file
}

// Set changes a setting of the server.
func (c *Cluster) Set(t testing.TB, name, value string) {
	t.Helper()
	c.exec(t, `alter system set `+name+` = `+value)
	c.exec(t, `select pg_reload_conf()`)
}

// Follow makes this server, which was stopped, a standby of one that was promoted.
func (c *Cluster) Follow(t testing.TB, primary *Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	if err := errors.Join(c.server.Rewind(ctx, primary.server), c.server.Start(ctx)); err != nil {
		t.Fatal(err)
	}
}

func (c *Cluster) exec(t testing.TB, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatal(err)
	}
}

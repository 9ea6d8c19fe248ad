package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// DataVersion is the major version that a data directory belongs to, or 0 if
// there is no data in it yet. Give it to Find, so that an upgrade of the
// system's newest PostgreSQL does not part a user from their data.
func DataVersion(dir string) (int, error) {
	text, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if err == nil {
		if major := leadingInt(strings.TrimSpace(string(text))); major > 0 {
			return major, nil
		}
		return 0, fmt.Errorf("read the version of the data directory %s: PG_VERSION says %q", dir, text)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("read the version of the data directory: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("read the data directory: %w", err)
	}
	if len(entries) > 0 {
		return 0, fmt.Errorf("use %s as a data directory: it holds files but no cluster; give an empty one or a new name", dir)
	}
	return 0, nil
}

// prepare makes sure that the data directory holds a cluster which this
// installation can run.
func (c *Cluster) prepare(ctx context.Context) error {
	dir := c.opts.DataDir
	major, err := DataVersion(dir)
	if err != nil {
		return err
	}
	if major != 0 && major != c.inst.Major {
		return fmt.Errorf("open the data directory %s: it belongs to PostgreSQL %d and this is %s; "+
			"use a PostgreSQL %d (%s), or another data directory, or pg_upgrade; nothing was changed",
			dir, major, c.inst, major, SourceExplicit)
	}
	if err := c.account.canReach(c.inst.BinDir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if err := c.account.canReach(filepath.Dir(dir)); err != nil {
		return err
	}
	if major == 0 {
		return c.initialize(ctx)
	}
	return nil
}

// initialize runs initdb in a directory beside the real one and renames it at
// the end: whatever interrupts it, there is never half a cluster under the
// name that the next start looks at.
func (c *Cluster) initialize(ctx context.Context) error {
	dir := c.opts.DataDir
	work, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".init-")
	if err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	defer os.RemoveAll(work)
	if err := c.account.own(work); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	logger(c.opts.Log).Info("making a new PostgreSQL cluster", "data", dir, "version", c.inst.Version)
	if err := c.initdb(ctx, work); err != nil {
		return err
	}
	if err := os.Rename(work, dir); err != nil {
		return fmt.Errorf("put the new cluster in its place (which has to be a directory that can be renamed): %w", err)
	}
	return nil
}

// initdb uses the C locale: it is the only one that every machine has, and it
// sorts the same everywhere.
func (c *Cluster) initdb(ctx context.Context, dir string) error {
	args := []string{"-D", dir, "-U", superuser, "-E", "UTF8", "--locale=C", "--auth=trust"}
	if c.opts.Unsafe {
		args = append(args, "--no-sync")
	}
	var out bytes.Buffer
	cmd := exec.Command(filepath.Join(c.inst.BinDir, "initdb"), args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second // a process that initdb left behind may hold the pipe
	c.account.prepare(cmd)
	running, err := spawn(cmd)
	if err != nil {
		return fmt.Errorf("run initdb of %s: %w", c.inst, err)
	}
	select {
	case <-running.done:
		err = running.err
	case <-ctx.Done():
		err = errors.Join(ctx.Err(), running.kill())
	}
	if err != nil {
		return fmt.Errorf("run initdb of %s: %w: %s", c.inst, err, lastLines(out.String(), 10))
	}
	return nil
}

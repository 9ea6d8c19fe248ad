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

// DefaultDataDir returns the data directory of this user's own cluster. Its name has no version, so that a
// newer PostgreSQL finds the old data and refuses it, instead of starting with an empty database.
func DefaultDataDir() (string, error) {
	if os.Geteuid() == 0 {
		// PostgreSQL runs as another user then, who cannot enter /root.
		return "/var/lib/pgherald/postgres", nil
	}
	base := os.Getenv("XDG_DATA_HOME")
	if base == "" || !filepath.IsAbs(base) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("choose a data directory: %w", err)
		}
		base = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(base, "pgherald", "postgres"), nil
}

// DataVersion returns the major version of a data directory, or 0 if it holds no data. Pass it to Find, so that
// a user can still open the data after a newer PostgreSQL was installed.
func DataVersion(dir string) (int, error) {
	text, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if err == nil {
		if major := leadingInt(strings.TrimSpace(string(text))); major > 0 {
			return major, nil
		}
		return 0, fmt.Errorf("read the version of the data directory %s: PG_VERSION holds %q", dir, text)
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

// prepare ensures that the data directory holds a cluster that this installation can run.
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
		return fmt.Errorf("create the data directory: %w", err)
	}
	if err := c.account.canReach(filepath.Dir(dir)); err != nil {
		return err
	}
	if major == 0 {
		return c.initialize(ctx)
	}
	return nil
}

// initialize runs initdb in a temporary directory and renames it at the end. So an interrupted initdb leaves
// no partial cluster in the data directory.
func (c *Cluster) initialize(ctx context.Context) error {
	dir := c.opts.DataDir
	work, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".init-")
	if err != nil {
		return fmt.Errorf("create the data directory: %w", err)
	}
	defer os.RemoveAll(work)
	if err := c.account.own(work); err != nil {
		return fmt.Errorf("create the data directory: %w", err)
	}
	logger(c.opts.Log).Info("creating a PostgreSQL cluster", "data_dir", dir, "version", c.inst.Version)
	if err := c.initdb(ctx, work); err != nil {
		return err
	}
	if err := os.Rename(work, dir); err != nil {
		return fmt.Errorf("rename the new cluster to its data directory, which must not be a mount point: %w", err)
	}
	return nil
}

// initdb creates a cluster with the C locale. Every machine has it, and it sorts the same everywhere.
func (c *Cluster) initdb(ctx context.Context, dir string) error {
	args := []string{"-D", dir, "-U", superuser, "-E", "UTF8", "--locale=C", "--auth=trust"}
	if c.opts.Unsafe {
		args = append(args, "--no-sync")
	}
	var out bytes.Buffer
	cmd := exec.Command(filepath.Join(c.inst.BinDir, "initdb"), args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second // a process that initdb left behind may keep the pipe open
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

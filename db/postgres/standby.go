package postgres

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
)

// NewStandby copies the cluster into a data directory, which must not exist yet, and starts a server there that
// follows this one. The caller must stop it.
func (c *Cluster) NewStandby(ctx context.Context, dataDir string) (*Cluster, error) {
	options := c.opts
	options.DataDir, options.Port = dataDir, 0
	standby := &Cluster{inst: c.inst, opts: options, account: c.account}
	cmd := exec.CommandContext(ctx, filepath.Join(c.inst.BinDir, "pg_basebackup"),
		"--pgdata="+dataDir, "--host="+loopback, "--port="+strconv.Itoa(c.Port()), "--username="+superuser,
		"--no-password", "--wal-method=stream", "--checkpoint=fast", "--no-sync", "--write-recovery-conf")
	c.account.prepare(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("copy a cluster: %w: %s", err, out)
	}
	if err := standby.startOnFreePort(ctx); err != nil {
		return nil, err
	}
	return standby, nil
}

// Rewind makes the data of this server, which must be shut down, a standby of another one that was promoted.
func (c *Cluster) Rewind(ctx context.Context, primary *Cluster) error {
	cmd := exec.CommandContext(ctx, filepath.Join(c.inst.BinDir, "pg_rewind"),
		"--target-pgdata="+c.opts.DataDir, "--source-server="+primary.URL("postgres"), "--no-sync", "--write-recovery-conf")
	c.account.prepare(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("rewind a cluster: %w: %s", err, out))
	}
	return nil
}

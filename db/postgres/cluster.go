package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// superuser is the only role in a new cluster.
const superuser = "postgres"

// ClusterOptions configure a cluster.
type ClusterOptions struct {
	DataDir  string            // created if missing; empty means DefaultDataDir
	Port     int               // on 127.0.0.1; 0 means a free one
	Unsafe   bool              // for tests: a crash of the machine may destroy the data
	Settings map[string]string // parameters as in postgresql.conf
	Log      *slog.Logger      // nil discards the log
}

// Cluster is a server process that this process owns. The caller of [Start] must stop it. All methods are
// safe for concurrent use.
type Cluster struct {
	inst    Installation
	opts    ClusterOptions
	account *account // nil: the server runs as the current user

	lifecycle sync.Mutex // serializes starting and stopping

	state sync.Mutex // guards port and child
	port  int
	child *child
}

// Start creates the data directory if it is missing, starts a server on it, and returns when the server
// accepts connections. ctx bounds only the start; the server runs until Stop.
func Start(ctx context.Context, inst Installation, o ClusterOptions) (*Cluster, error) {
	if o.DataDir == "" {
		dir, err := DefaultDataDir()
		if err != nil {
			return nil, err
		}
		o.DataDir = dir
	}
	dir, err := filepath.Abs(o.DataDir)
	if err != nil {
		return nil, fmt.Errorf("resolve the data directory %s: %w", o.DataDir, err)
	}
	o.DataDir = dir
	user, err := serverAccount(dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{inst: inst, opts: o, account: user, port: o.Port}
	if err := c.prepare(ctx); err != nil {
		return nil, err
	}
	if err := c.startOnFreePort(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// startOnFreePort starts the server on ClusterOptions.Port. If that is 0, it tries up to five free ports,
// because another program may take one before the server does.
func (c *Cluster) startOnFreePort(ctx context.Context) error {
	if c.opts.Port != 0 {
		return c.Start(ctx)
	}
	for range 5 {
		port, err := freePort()
		if err != nil {
			return err
		}
		c.setPort(port)
		if err := c.Start(ctx); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return errPortTaken
}

// Start starts the server again on the same port, after Stop, Kill or an unexpected end. It does nothing if
// the server is running.
func (c *Cluster) Start(ctx context.Context) error {
	c.lifecycle.Lock()
	defer c.lifecycle.Unlock()
	if old := c.current(); old != nil && !old.ended() {
		return nil
	}
	if err := freeDataDir(ctx, c.opts.DataDir); err != nil {
		return err
	}
	started, err := c.launch()
	if err != nil {
		return err
	}
	if err := started.waitReady(ctx, c.opts.DataDir); err != nil {
		return err
	}
	c.state.Lock()
	c.child = started
	c.state.Unlock()
	logger(c.opts.Log).Debug("PostgreSQL started", "port", c.Port(), "pid", started.pid(), "data_dir", c.opts.DataDir)
	return nil
}

// Stop shuts the server down in fast mode: it disconnects clients and writes a checkpoint. If ctx ends first,
// Stop switches to immediate mode, which keeps everything committed, and returns an error.
func (c *Cluster) Stop(ctx context.Context) error {
	c.lifecycle.Lock()
	defer c.lifecycle.Unlock()
	running := c.current()
	if running == nil {
		return nil
	}
	return running.stop(ctx)
}

// Kill ends all processes of the server with SIGKILL, as the out-of-memory killer would. It waits until they
// are gone, so that Start can follow at once.
func (c *Cluster) Kill() error {
	c.lifecycle.Lock()
	defer c.lifecycle.Unlock()
	running := c.current()
	if running == nil {
		return nil
	}
	return running.kill()
}

// Done returns a channel that is closed when the current server process has ended. Every Start makes a new
// channel.
func (c *Cluster) Done() <-chan struct{} { return c.current().done }

// Err returns why the server ended unexpectedly. It returns nil while the server runs, and after Stop or Kill.
func (c *Cluster) Err() error { return c.current().reason() }

// PID returns the process id of the latest server process.
func (c *Cluster) PID() int { return c.current().pid() }

// Port returns the server's port on 127.0.0.1.
func (c *Cluster) Port() int {
	c.state.Lock()
	defer c.state.Unlock()
	return c.port
}

// URL returns the connection string of a database of the cluster, for its superuser.
func (c *Cluster) URL(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(superuser),
		Host:     net.JoinHostPort(loopback, strconv.Itoa(c.Port())),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// DataDir returns the absolute path of the data directory.
func (c *Cluster) DataDir() string { return c.opts.DataDir }

// LogTail returns the last lines of the server's log.
func (c *Cluster) LogTail() string { return tailOf(c.logFile(), 0) }

func (c *Cluster) logFile() string { return filepath.Join(c.opts.DataDir, "server.log") }

func (c *Cluster) current() *child {
	c.state.Lock()
	defer c.state.Unlock()
	return c.child
}

func (c *Cluster) setPort(port int) {
	c.state.Lock()
	defer c.state.Unlock()
	c.port = port
}

// openLog opens the server's log for appending. The log is a file and not a pipe to this process, because the
// server still writes to it if this process ends first.
func (c *Cluster) openLog() (*os.File, error) {
	file, err := os.OpenFile(c.logFile(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the server's log: %w", err)
	}
	info, err := file.Stat()
	if err == nil && info.Size() > maxLogSize {
		err = file.Truncate(0)
	}
	if err = errors.Join(err, c.account.own(c.logFile())); err != nil {
		file.Close()
		return nil, fmt.Errorf("prepare the server's log: %w", err)
	}
	return file, nil
}

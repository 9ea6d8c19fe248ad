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

// superuser is the only role of a new cluster.
const superuser = "postgres"

// ClusterOptions say how a cluster is run.
type ClusterOptions struct {
	DataDir  string            // made if it is not there; empty: DefaultDataDir
	Port     int               // on 127.0.0.1; 0: a free one
	Unsafe   bool              // for tests: a crash of the machine may destroy the data
	Settings map[string]string // as in postgresql.conf
	Log      *slog.Logger      // nil: nothing is logged
}

// Cluster is one server, which this process owns: whoever starts it has to
// stop it. Its methods may be called from any goroutine.
type Cluster struct {
	inst    Installation
	opts    ClusterOptions
	account *account // nil: the server runs as ourselves

	lifecycle sync.Mutex // held while starting and stopping

	state sync.Mutex // guards what follows, held only for a moment
	port  int
	child *child
}

// Start makes the data directory if there is none, starts a server on it, and
// returns when it takes connections. ctx bounds the start only; the server
// runs until Stop.
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
	if err := c.startSomewhere(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// startSomewhere tries another port when the chosen one was taken between the
// choice and the start. A port that the caller chose is tried once.
func (c *Cluster) startSomewhere(ctx context.Context) error {
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

// Start starts the server again, on the same port, after Stop, Kill or its own
// end. Starting a running one changes nothing.
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
	logger(c.opts.Log).Debug("PostgreSQL is ready", "port", c.Port(), "pid", started.pid(), "data", c.opts.DataDir)
	return nil
}

// Stop ends the server the fast way: clients are disconnected, everything is
// written. If ctx ends first the server is stopped at once, which loses
// nothing that was committed, and Stop says so.
func (c *Cluster) Stop(ctx context.Context) error {
	c.lifecycle.Lock()
	defer c.lifecycle.Unlock()
	running := c.current()
	if running == nil {
		return nil
	}
	return running.stop(ctx)
}

// Kill ends the server and all of its processes with SIGKILL, as an
// out-of-memory killer or a power failure would, and waits until they are
// gone, so that Start finds nothing in its way.
func (c *Cluster) Kill() error {
	c.lifecycle.Lock()
	defer c.lifecycle.Unlock()
	running := c.current()
	if running == nil {
		return nil
	}
	return running.kill()
}

// Done is closed when the server that runs now has ended, for whatever reason.
// After another Start there is another channel.
func (c *Cluster) Done() <-chan struct{} { return c.current().done }

// Err says why the server ended on its own. It is nil while it runs, and after
// Stop and Kill.
func (c *Cluster) Err() error { return c.current().reason() }

// PID is the process id of the server that was started last.
func (c *Cluster) PID() int { return c.current().pid() }

// Port is the port on 127.0.0.1.
func (c *Cluster) Port() int {
	c.state.Lock()
	defer c.state.Unlock()
	return c.port
}

// URL is the connection string of a database of the cluster, for its
// superuser.
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

// DataDir is the absolute path of the data directory.
func (c *Cluster) DataDir() string { return c.opts.DataDir }

// LogTail is the end of the server's own log.
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

// openLog opens the server's log for appending. It is a file and not a pipe to
// us: the server must be able to write while it ends after we did.
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

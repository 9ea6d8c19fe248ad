package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// patience bounds every test here: far more than it takes, and less than the limit of the run.
const patience = 100 * time.Second

// node is a server that runs in this process as `pgherald serve` does, with flags and all. It can
// be stopped and started again, at another address each time.
type node struct {
	cmd serveCmd
	log syncBuffer

	mu     sync.Mutex
	url    string
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended
	err    error         // why, once done is closed
}

// newNode reads the command line of a server. Whoever starts it must stop it.
func newNode(t testing.TB, databaseURL string, args ...string) *node {
	t.Helper()
	var c cli
	parser, err := kong.New(&c, kong.Name("pgherald"))
	if err != nil {
		t.Fatal(err)
	}
	args = slices.Concat([]string{"serve", "--database-url=" + databaseURL, "--probe-interval=200ms", "--drain=1s"}, args)
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	return &node{cmd: c.Serve}
}

// end stops the server, and shows its log if the test has failed.
func (n *node) end(t testing.TB) {
	if err := n.stop(); err != nil {
		t.Errorf("a server ended with %v", err)
	}
	if t.Failed() {
		t.Logf("a server's log ends with:\n%s", n.log.tail())
	}
}

// startNodes starts servers at the same time, as a deployment of several does.
func startNodes(ctx context.Context, t testing.TB, nodes ...*node) {
	t.Helper()
	errs := make([]error, len(nodes))
	var starting sync.WaitGroup
	for i, n := range nodes {
		starting.Go(func() { errs[i] = n.start(ctx) })
	}
	starting.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// start returns once the server serves.
func (n *node) start(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ready, done := make(chan struct{}), make(chan struct{})
	n.mu.Lock()
	n.url, n.cancel, n.done = n.cmd.scheme()+"://"+l.Addr().String(), cancel, done
	n.mu.Unlock()
	a := &app{ctx: running, stdout: io.Discard, stderr: &n.log, level: new(slog.LevelVar)}
	a.level.Set(slog.LevelDebug)
	a.logger = newLogger(&n.log, "json", a.level)
	go func() {
		defer close(done)
		n.err = n.cmd.serveOn(a, l, func() { close(ready) })
	}()
	select {
	case <-ready:
		return nil
	case <-done:
		return fmt.Errorf("start a server: %w", n.err)
	case <-ctx.Done():
		return fmt.Errorf("start a server: %w", ctx.Err())
	}
}

// stop does what SIGTERM does, and waits until the server has ended.
func (n *node) stop() error {
	n.mu.Lock()
	cancel, done := n.cancel, n.done
	n.mu.Unlock()
	if cancel == nil {
		return nil
	}
	cancel()
	<-done
	if errors.Is(n.err, context.Canceled) {
		return nil
	}
	return n.err
}

// restart ends the server, gently or in the middle of what it writes, and starts it again.
func (n *node) restart(ctx context.Context, gently bool) error {
	if err := n.stop(); err != nil {
		return err
	}
	n.cmd.Drain = time.Second
	if !gently {
		n.cmd.Drain = time.Millisecond // of the next end: each kind takes its turn
	}
	return n.start(ctx)
}

// at is the URL of a path, where the server is now.
func (n *node) at(path string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.url + path
}

// newHTTPClient returns a client that leaves no connection behind.
func newHTTPClient(t testing.TB) *http.Client {
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// counter counts what happens, and lets others wait for it.
type counter struct {
	mu      sync.Mutex
	n       int
	changed chan struct{}
}

func newCounter() *counter { return &counter{changed: make(chan struct{})} }

func (c *counter) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *counter) value() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// wait waits until n more have been counted.
func (c *counter) wait(ctx context.Context, n int) error { return c.reach(ctx, c.value()+n) }

// reach waits until so many have been counted in all.
func (c *counter) reach(ctx context.Context, target int) error {
	for {
		c.mu.Lock()
		now, changed := c.n, c.changed
		c.mu.Unlock()
		if now >= target {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d are missing: %w", target-now, target, ctx.Err())
		}
	}
}

// pause waits between two attempts, unless ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// syncBuffer collects what several goroutines write.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// tail is the last lines but for those that say that a stream has gone.
func (b *syncBuffer) tail() string {
	lines := slices.DeleteFunc(strings.Split(b.String(), "\n"), func(line string) bool {
		return strings.Contains(line, `"stream closed"`)
	})
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/doctor"
	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// node is a server in this process. It can stop and start again, at another address each time.
type node struct {
	config server.Config
	log    syncBuffer

	mu     sync.Mutex
	url    string
	cancel context.CancelFunc
	done   chan struct{} // closed when the server has ended
	err    error         // of its end, once done is closed
}

// newNode returns a server that is not started. The test must call end.
func newNode(databaseURL string, changes ...func(*server.Config)) *node {
	config := server.DefaultConfig()
	config.Database.URL = databaseURL
	config.Listen.Addr = "127.0.0.1:0"
	config.Tuning.ProbeInterval = 200 * time.Millisecond
	config.Tuning.Drain = time.Second
	for _, change := range changes {
		change(&config)
	}
	return &node{config: config}
}

// end stops the server and logs its last lines if the test has failed.
func (n *node) end(t testing.TB) {
	if err := n.stop(); err != nil {
		t.Errorf("a server ended with %v", err)
	}
	if t.Failed() {
		t.Logf("a server's log ends with:\n%s", n.log.tail())
	}
}

// startNodes starts servers at the same time, as a deployment does.
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

// start returns once the server is ready.
func (n *node) start(ctx context.Context) error {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	level := new(slog.LevelVar)
	level.Set(slog.LevelDebug)
	s, err := server.New(running, n.config, server.Options{Logger: server.NewLogger(&n.log, "json", level), Level: level, Examine: doctor.Examine})
	if err != nil {
		cancel()
		return fmt.Errorf("start a server: %w", err)
	}
	done := make(chan struct{})
	n.mu.Lock()
	n.url, n.cancel, n.done = s.URL(), cancel, done
	n.mu.Unlock()
	go func() {
		defer close(done)
		n.err = s.Run(running)
	}()
	select {
	case <-s.Ready():
		return nil
	case <-done:
		return fmt.Errorf("start a server: %w", n.err)
	case <-ctx.Done():
		return fmt.Errorf("start a server: %w", ctx.Err())
	}
}

// stopLimit bounds the end of a server, which takes some seconds without an answer of PostgreSQL.
const stopLimit = 90 * time.Second

// stop drains the server, as SIGTERM does, and waits for its end. It names what hangs.
func (n *node) stop() error {
	n.mu.Lock()
	cancel, done := n.cancel, n.done
	n.mu.Unlock()
	if cancel == nil {
		return nil
	}
	cancel()
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
		return fmt.Errorf("stop a server: it has not ended within %v; the goroutines:\n%s", stopLimit, pgtest.Stacks())
	}
	if errors.Is(n.err, context.Canceled) {
		return nil
	}
	return n.err
}

// restart stops the server and starts it again. The new server drains for a second if gently is set, and
// otherwise cuts its streams when it stops.
func (n *node) restart(ctx context.Context, gently bool) error {
	if err := n.stop(); err != nil {
		return err
	}
	n.config.Tuning.Drain = time.Second
	if !gently {
		n.config.Tuning.Drain = time.Millisecond
	}
	return n.start(ctx)
}

// at returns the URL of a path at the server's current address.
func (n *node) at(path string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.url + path
}

// logged returns a field of the first line of the log with a message.
func (n *node) logged(t testing.TB, message, field string) string {
	t.Helper()
	for line := range strings.Lines(n.log.String()) {
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) == nil && entry["msg"] == message {
			return fmt.Sprint(entry[field])
		}
	}
	t.Fatalf("the log has no message %q", message)
	return ""
}

// faults returns the lines of the log that have one of the texts, without those that only say that the machine is busy.
func (n *node) faults(texts ...string) (found []string) {
	for line := range strings.Lines(n.log.String()) {
		has := func(text string) bool { return strings.Contains(line, text) }
		if slices.ContainsFunc(texts, has) && !slices.ContainsFunc(signsOfLoad, has) {
			found = append(found, line)
		}
	}
	return found
}

// signsOfLoad are in lines about something that took too long.
var signsOfLoad = []string{"marked clients stale", "did not come back", "no answer", "timeout", "timed out", "deadline exceeded", "did not answer in time"}

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// counter counts occurrences and lets others wait for them.
type counter struct {
	mu      sync.Mutex
	n       int
	changed chan struct{} // closed at the next change
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

// reach waits until the count is at least target.
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

// syncBuffer collects the output of several goroutines.
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

// tail returns the last lines, without the frequent ones about closed streams.
func (b *syncBuffer) tail() string {
	lines := slices.DeleteFunc(strings.Split(b.String(), "\n"), func(line string) bool {
		return strings.Contains(line, `"stream closed"`)
	})
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

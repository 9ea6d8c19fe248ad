package api_test

import (
	"context"
	"strings"
	"sync"
	"testing"
)

// logBuffer keeps log lines and lets tests wait for them.
type logBuffer struct {
	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed by the next line
}

func newLogBuffer() *logBuffer { return &logBuffer{more: make(chan struct{})} }

// Write appends one line: slog's handlers write whole lines.
func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, string(line))
	close(b.more)
	b.more = make(chan struct{})
	return len(line), nil
}

// count returns the number of lines that contain all texts, and a channel that the next line closes.
func (b *logBuffer) count(texts ...string) (int, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, line := range b.lines {
		contains := true
		for _, text := range texts {
			contains = contains && strings.Contains(line, text)
		}
		if contains {
			n++
		}
	}
	return n, b.more
}

// await waits until n lines contain all texts.
func (b *logBuffer) await(t *testing.T, n int, texts ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	for {
		have, more := b.count(texts...)
		if have >= n {
			return
		}
		select {
		case <-more:
		case <-ctx.Done():
			t.Fatalf("%d of %d lines with %q in the log:\n%s", have, n, texts, b)
		}
	}
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.lines[max(0, len(b.lines)-50):], "")
}

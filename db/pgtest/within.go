package pgtest

import (
	"runtime"
	"testing"
	"time"
)

const (
	// cleanupLimit bounds what a cleanup waits for. It is far longer than any takes, and far shorter than the timeout of go test,
	// which would end the whole package.
	cleanupLimit = 90 * time.Second

	// maxStacks bounds the stacks of a failure, in bytes.
	maxStacks = 1 << 20
)

// Within waits until do returns. If that takes too long, it fails the test with what is awaited and what every goroutine does, and
// returns: the next cleanups, such as that of the database, may end what hangs. It is for cleanups; do must not end the test.
func Within(t testing.TB, what string, do func()) {
	t.Helper()
	within(t, cleanupLimit, what, do)
}

func within(t testing.TB, limit time.Duration, what string, do func()) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		do()
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		t.Errorf("waited %v for %s; the goroutines:\n%s", limit, what, Stacks())
	}
}

// Stacks returns what every goroutine does, for the message of a test that hangs.
func Stacks() string {
	text := make([]byte, maxStacks)
	return string(text[:runtime.Stack(text, true)])
}

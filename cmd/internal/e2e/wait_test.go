package e2e

import (
	"context"
	"flag"
	"testing"
	"time"
)

// hangLimit guards against hangs. Tests wait for states and must not depend on the speed of the machine. It is shorter than the time
// after which tools/gotest, as tools/test runs it, ends a package in which nothing happens.
var hangLimit = flag.Duration("hang", 10*time.Minute, "time after which a test counts as hanging")

// hangGrace is the time, before the limit of go test, in which a hanging test reports the state that it awaits.
const hangGrace = 20 * time.Second

// testContext returns a context that ends with the test, or when the test hangs.
func testContext(t *testing.T) context.Context {
	t.Helper()
	return hangContext(t, t.Context())
}

// hangContext returns a child of a context that ends when the test hangs. Test cleanup frees it.
func hangContext(t *testing.T, parent context.Context) context.Context {
	t.Helper()
	end := time.Now().Add(*hangLimit)
	if limit, ok := t.Deadline(); ok && limit.Add(-hangGrace).Before(end) {
		end = limit.Add(-hangGrace)
	}
	ctx, cancel := context.WithDeadline(parent, end)
	t.Cleanup(cancel)
	return ctx
}

// waitFor polls until a condition holds. If ctx ends first, it fails the test and names the condition.
func waitFor(ctx context.Context, t *testing.T, what string, holds func() bool) {
	t.Helper()
	for !holds() {
		if pause(ctx, 5*time.Millisecond); ctx.Err() != nil {
			t.Fatalf("waited for %s: %v", what, context.Cause(ctx))
		}
	}
}

// pause waits between two attempts, at most until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

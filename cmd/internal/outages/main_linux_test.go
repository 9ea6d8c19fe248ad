package outages

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pause waits, at most until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// await polls until a condition holds, and reports whether it did before ctx ended.
func await(ctx context.Context, holds func() bool) bool {
	for !holds() {
		if pause(ctx, 10*time.Millisecond); ctx.Err() != nil {
			return false
		}
	}
	return true
}

// keepLog writes a log into the directory for them.
func keepLog(t *testing.T, name string, log []byte) {
	t.Helper()
	if *logsFlag == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(*logsFlag, name+".log"), log, 0o644); err != nil {
		t.Error(err)
	}
}

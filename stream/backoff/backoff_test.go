package backoff_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgherald/pgherald/stream/backoff"
)

func TestPauseGrowsWithJitter(t *testing.T) {
	for before, full := range []time.Duration{10, 20, 40, 80, 100, 100} {
		seen := map[time.Duration]bool{}
		for range 1000 {
			p := backoff.Pause(10*time.Millisecond, 100*time.Millisecond, before)
			if p < full*time.Millisecond/2 || p > full*time.Millisecond {
				t.Fatalf("pause %d is %v, want up to %v ms", before, p, int64(full))
			}
			seen[p] = true
		}
		if len(seen) < 100 {
			t.Errorf("pause %d has no jitter", before)
		}
	}
	if p := backoff.Pause(time.Second, time.Hour, 1<<40); p < 30*time.Minute || p > time.Hour {
		t.Errorf("a late pause is %v", p)
	}
}

// An outage costs a line at its beginning, one a minute, and one at its end.
func TestRetryLogsOutages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		r := backoff.New(backoff.Options{
			Min: time.Second, Max: 5 * time.Second, Failing: "log unreadable, retrying", Recovered: "log readable again",
			Logger: slog.New(slog.NewTextHandler(&out, nil)), Level: slog.LevelWarn,
		})
		r.Succeeded()
		began := time.Now()
		attempts := uint64(0)
		for ; time.Since(began) < 5*time.Minute; attempts++ {
			r.Failed(errors.New("refused"))
			if err := r.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if total, since := r.Failures(); total != attempts || since != began || attempts < 60 || attempts > 130 {
			t.Errorf("%d failures since %v, want %d since %v", total, since, attempts, began)
		}
		r.Succeeded()
		r.Succeeded()
		if r.Remaining() != 0 {
			t.Error("a pause remains after a success")
		}
		text := out.String()
		if n := strings.Count(text, "level=WARN msg=\"log unreadable, retrying\" error=refused"); n != 5 {
			t.Errorf("%d lines in five minutes, want 5:\n%s", n, text)
		}
		if n := strings.Count(text, "level=INFO msg=\"log readable again\""); n != 1 {
			t.Errorf("%d lines at the end:\n%s", n, text)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := backoff.New(backoff.Options{Min: time.Hour, Max: time.Hour})
	r.Failed(errors.New("refused"))
	if err := r.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

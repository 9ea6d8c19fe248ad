package server

import (
	"bytes"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgherald/pgherald/triggers"
)

func TestWatcherLogsChangesAndReminds(t *testing.T) {
	var log bytes.Buffer
	w := newWatcher(nil, triggers.Spec{}, time.Minute, slog.New(slog.NewTextHandler(&log, nil)))
	now := time.Now()
	logged := func(after time.Duration, found []triggers.Drift, want ...string) {
		t.Helper()
		log.Reset()
		w.report(found, now.Add(after))
		lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
		if log.Len() == 0 {
			lines = nil
		}
		if len(lines) != len(want) {
			t.Fatalf("after %v the log has\n%swant %d lines", after, log.String(), len(want))
		}
		for i, words := range want {
			if !strings.Contains(lines[i], words) {
				t.Errorf("after %v line %d is %s, want %s", after, i+1, lines[i], words)
			}
		}
	}
	missing := triggers.Drift{Kind: triggers.KindMissing, Table: triggers.Name{Schema: "public", Table: "orders"}, Message: "m", Remedy: "r"}
	unlogged := triggers.Drift{Kind: triggers.KindUnlogged, Message: "u"}
	logged(0, nil)
	logged(0, []triggers.Drift{missing, unlogged}, "level=ERROR msg=\"triggers differ from the spec\" table=public.orders kind=missing", `level=WARN msg="watched table needs attention"`)
	logged(time.Minute, []triggers.Drift{missing, unlogged})
	logged(59*time.Minute, []triggers.Drift{missing}, "trigger drift ended")
	logged(time.Hour, []triggers.Drift{missing}, "kind=missing")
	s := w.Status()
	if len(s.Drift) != 1 || !s.Drift[0].Since.Equal(now) || s.Kinds["missing"] != 1 || s.Kinds["disabled"] != 0 || len(s.Kinds) != len(triggers.Kinds()) {
		t.Errorf("status %+v", s)
	}
	logged(2*time.Hour, nil, "level=INFO msg=\"trigger drift ended\" table=public.orders kind=missing")
	if got := w.Status().Drift; got == nil || len(got) > 0 {
		t.Errorf("drift %v, want an empty list", got)
	}
}

// A thousand tables that drift at once neither flood the log output nor /api/stats.
func TestWatcherBoundsItsList(t *testing.T) {
	var log bytes.Buffer
	w := newWatcher(nil, triggers.Spec{}, time.Minute, slog.New(slog.NewTextHandler(&log, nil)))
	var found []triggers.Drift
	for i := range 1000 {
		found = append(found, triggers.Drift{Kind: triggers.KindMissing, Message: strings.Repeat("x", i)})
	}
	w.report(found, time.Now())
	if n := strings.Count(log.String(), "\n"); n != maxListedDrift || len(w.Status().Drift) != maxListedDrift || w.Status().Kinds["missing"] != 1000 {
		t.Errorf("%d lines, %d listed, %d counted", n, len(w.Status().Drift), w.Status().Kinds["missing"])
	}
}

// A table that cannot be mended is tried once in an interval, and after a change of the catalog, however often it is written to.
func TestWatcherMendsOnceInAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatcher(nil, triggers.Spec{}, time.Minute, slog.New(slog.DiscardHandler))
		breaks := func(table string, isLookedFor bool) {
			t.Helper()
			w.broken(table)
			select {
			case <-w.requested:
				if !isLookedFor {
					t.Errorf("a write to %s wakes the watcher", table)
				}
			default:
				if isLookedFor {
					t.Errorf("a write to %s does not wake the watcher", table)
				}
			}
		}
		mends := func(hasChanged bool, want ...string) {
			t.Helper()
			if due := w.takeBroken(hasChanged); !slices.Equal(due, want) {
				t.Errorf("mends %v, want %v", due, want)
			}
		}
		breaks("public.orders", true)
		mends(false, "public.orders")
		for range 50 {
			time.Sleep(time.Second) // of the bubble
			breaks("public.orders", false)
			mends(false)
		}
		breaks("public.items", true)
		mends(false, "public.items")
		mends(true, "public.orders")
		mends(true)
		time.Sleep(time.Minute)
		breaks("public.orders", true)
		mends(false, "public.orders")
		for i := range 2 * maxMended {
			breaks(strconv.Itoa(i), true)
			mends(false, strconv.Itoa(i))
		}
		if len(w.mended) > maxMended+1 {
			t.Errorf("%d tables are remembered", len(w.mended))
		}
	})
}

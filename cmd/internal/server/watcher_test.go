package server

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
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

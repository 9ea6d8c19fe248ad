package doctor

import (
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/stream/status"
)

// A server's doctor repeats what the last check of the triggers found, and when.
func TestLastDrift(t *testing.T) {
	if r := lastDrift(status.Triggers{}); len(r) != 1 || r[0].Level != Fine || !strings.Contains(r[0].Found, "yet") {
		t.Errorf("before the first check: %+v", r)
	}
	last := status.Triggers{Checked: time.Unix(0, 0)}
	if r := lastDrift(last); len(r) != 1 || r[0].Level != Fine || !strings.Contains(r[0].Found, "1970-01-01 00:00:00 UTC") {
		t.Errorf("without drift: %+v", r)
	}
	last.Drift = []status.TriggerDrift{{Problem: "p", Remedy: "r"}, {Problem: "w", Warning: true}}
	last.Kinds = map[string]int{"missing": 40, "unlogged": 2}
	r := lastDrift(last)
	if len(r) != 3 || r[0].Level != Error || r[0].Remedy != "r" || r[1].Level != Warning || !strings.HasPrefix(r[2].Found, "40 more") {
		t.Errorf("with drift: %+v", r)
	}
}

package conformance

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestRunsOfOneScenario runs a scenario several times at once with one adapter, as TestSabotage does with faults that it finds alike.
func TestRunsOfOneScenario(t *testing.T) {
	a, scenarios := startAdapter(t, buildAdapter(t, "sabotage")), Scenarios()
	i := slices.IndexFunc(scenarios, func(s Scenario) bool { return s.Name == "reset-first" })
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			if err := runLimited(t, a, scenarios[i], hangLimit); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
}

// TestSabotage checks that the suite finds faults. Without its fault, the same client passes the same scenario.
func TestSabotage(t *testing.T) {
	scenarios := make(map[string]Scenario)
	for _, s := range Scenarios() {
		scenarios[s.Name] = s
	}
	binary := buildAdapter(t, "sabotage")
	sound := startAdapter(t, binary)
	for fault, name := range map[string]string{
		"takes events twice":           "cut-transaction",
		"expects rising ids":           "order-of-ids",
		"remembers ids after resets":   "reset-first",
		"ignores resets":               "reset-first",
		"forgets its cursor":           "resume",
		"does not wait":                "retry",
		"ignores Retry-After":          "busy-503",
		"never gives up":               "stop-400",
		"takes cut frames":             "cut-frame",
		"decodes each piece":           "every-split",
		"ignores rows that leave":      "moves",
		"shows half transactions":      "whole-transactions",
		"ignores the order":            "window",
		"ignores the limit":            "window",
		"does not fill its window":     "window",
		"forgets the cursor of a page": "pages",
		"always waits":                 "pages",
		"keeps to streams":             "mute-stream",
		"keeps to silent streams":      "silence",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			s, ok := scenarios[name]
			if !ok {
				t.Fatalf("there is no scenario %s", name)
			}
			if s.Start.ConnectTimeout > 0 {
				s.Start.ConnectTimeout = 300 // the plain client may take a slow stream for a mute one
			}
			if err := runLimited(t, sound, s, hangLimit); err != nil {
				t.Errorf("without the fault, %s fails: %v", name, err)
			}
			limit := hangLimit
			if name == "silence" {
				limit = 5 * time.Second // twice as long as a client needs that notices the silence
			}
			err := runLimited(t, startAdapter(t, binary, fault), s, limit)
			if err == nil {
				t.Fatalf("%s does not find the fault", name)
			}
			t.Log(err)
		})
	}
}

func runLimited(t *testing.T, a *Adapter, s Scenario, limit time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return Run(ctx, a, s)
}

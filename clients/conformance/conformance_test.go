package conformance

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// hangLimit ends a scenario that does not end. It is generous, since the machine may be busy.
const hangLimit = 3 * time.Minute

// buildAdapter builds an adapter in Go.
func buildAdapter(t *testing.T, name string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), name)
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./adapters/"+name).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

func startAdapter(t *testing.T, name string, args ...string) *Adapter {
	t.Helper()
	// The context of a test ends before its cleanups.
	a, err := StartAdapter(context.WithoutCancel(t.Context()), os.Stderr, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Errorf("the adapter ended with %v", err)
		}
	})
	return a
}

// testAll runs all scenarios at the same time: parallel subtests would be as many as there are processors.
func testAll(t *testing.T, a *Adapter) {
	t.Helper()
	scenarios := Scenarios()
	errs := make([]error, len(scenarios))
	var running sync.WaitGroup
	for i, s := range scenarios {
		running.Go(func() {
			if !a.Can(s) {
				errs[i] = errors.New("the adapter cannot run this scenario")
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), hangLimit)
			defer cancel()
			errs[i] = Run(ctx, a, s)
		})
	}
	running.Wait()
	for i, s := range scenarios {
		t.Run(s.Name, func(t *testing.T) {
			if errs[i] != nil {
				t.Errorf("%s: %v", s.Rule, errs[i])
			}
		})
	}
}

func TestGo(t *testing.T) {
	testAll(t, startAdapter(t, buildAdapter(t, "go")))
}

func TestScenariosHaveNames(t *testing.T) {
	seen := make(map[string]bool)
	for _, s := range Scenarios() {
		if seen[s.Name] || s.Rule == "" || strings.ContainsAny(s.Name, " /") || len(s.Stream) == 0 {
			t.Errorf("the scenario %q is a second one of this name, or has no rule or stream", s.Name)
		}
		seen[s.Name] = true
	}
}

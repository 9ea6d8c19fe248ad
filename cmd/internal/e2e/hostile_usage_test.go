package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// usage holds what a server uses.
type usage struct {
	files, goroutines int
	rss, heap         int // bytes
}

func (u usage) String() string {
	return fmt.Sprintf("%d files, %d goroutines, %d MiB", u.files, u.goroutines, u.rss>>20)
}

func (u usage) max(v usage) usage {
	return usage{max(u.files, v.files), max(u.goroutines, v.goroutines), max(u.rss, v.rss), max(u.heap, v.heap)}
}

func (s *besiegedServer) usage(ctx context.Context, t *testing.T) usage {
	t.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.program.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	text := get(ctx, t, s.operators+"/metrics")
	return usage{files: len(files), goroutines: metric(t, text, "go_goroutines"), rss: metric(t, text, "process_resident_memory_bytes"), heap: metric(t, text, "go_memstats_heap_alloc_bytes")}
}

// forgetPeak makes peak count from now on. It reports whether the kernel can do that.
func (s *besiegedServer) forgetPeak(t *testing.T) bool {
	t.Helper()
	err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.program.cmd.Process.Pid), []byte("5"), 0)
	switch {
	case err == nil:
		return true
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission):
		t.Fatal(err)
	}
	return false
}

// peak returns the most memory that the server has used, in bytes, as the kernel knows it: a server under attack may give no
// answer before the attack has ended.
func (s *besiegedServer) peak(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.program.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	if match == nil {
		t.Fatal("the kernel does not say how much memory the server has used")
	}
	kilobytes, err := strconv.Atoi(string(match[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// metric returns the value of a metric without labels.
func metric(t *testing.T, text, name string) int {
	t.Helper()
	match := regexp.MustCompile(`(?m)^` + name + ` (.*)$`).FindStringSubmatch(text)
	if match == nil {
		t.Fatalf("no metric %s", name)
	}
	value, err := strconv.ParseFloat(match[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(value)
}

// awaitRest waits until the server has closed what the attack opened and has collected the garbage, and returns the usage.
// More connections to the database may be open than before, each with a goroutine. The runtime keeps timers that were
// stopped, and what they refer to, for up to their whole time, which is a minute.
func (s *besiegedServer) awaitRest(ctx context.Context, t *testing.T, before usage) (rest usage) {
	t.Helper()
	waitFor(ctx, t, fmt.Sprintf("the server to use no more than %v", before), func() bool {
		for range 2 { // a sync.Pool survives one collection
			get(ctx, t, s.operators+"/debug/pprof/heap?gc=1")
		}
		rest = s.usage(ctx, t)
		if rest.files <= before.files+8 && rest.goroutines <= before.goroutines+16 && rest.heap <= before.heap+16<<20 {
			return true
		}
		pause(ctx, 100*time.Millisecond)
		return false
	})
	return rest
}

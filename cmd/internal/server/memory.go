package server

import (
	"fmt"
	"math"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

const (
	// memoryWithoutCgroup is the memory budget if no cgroup limits the process.
	memoryWithoutCgroup = 512 << 20
	// minMemory is the smallest memory budget.
	minMemory = 32 << 20
	// The default budget leaves minHeadroom and a quarter of the cgroup's limit to the rest: the process
	// itself, the stacks of its goroutines and what the kernel charges for sockets and files.
	minHeadroom = 64 << 20
	// maxPart bounds the parts of a large budget, except the feed: more memory would not make them better.
	maxPart = 256 << 20
	// compressPart is the memory of compression for each processor: the chains of a shard, and a compressor each for the bytes
	// that are in none, for catch-ups, and for goroutines.
	compressPart = 7 << 20
)

// memory is the budget of a server in bytes, and its parts.
type memory struct {
	total    int64
	feed     int64 // recent events
	catchUps int64 // what clients read from the log
	filters  int64 // large filters of streams
	bodies   int64 // large bodies of requests
	lists    int64 // rows of collections
	pages    int64 // of events, for clients without a stream
	compress int64 // of streams
}

// memory divides the budget. An eighth is left for garbage.
func (t Tuning) memory() memory {
	total := t.Memory
	if total == 0 {
		total = defaultMemory("/")
	}
	m := memory{total: total, feed: min(t.FeedBytes, total/2), filters: min(total/16, maxPart/4)}
	m.bodies, m.lists, m.pages = m.filters, m.filters, m.filters/2
	if t.Compress {
		m.compress = min(compressPart*int64(runtime.GOMAXPROCS(0)), total/16)
	}
	m.catchUps = min(total/8*7-m.feed-m.filters-m.bodies-m.lists-m.pages-m.compress, maxPart)
	return m
}

func (t Tuning) validateMemory() error {
	if t.Memory != 0 && t.Memory < minMemory {
		return fmt.Errorf("--memory must be at least %d MiB", minMemory>>20)
	}
	return nil
}

// defaultMemory returns the budget for a process without --memory. root is "/", except in tests.
func defaultMemory(root string) int64 {
	limit, ok := cgroupLimit(root)
	if !ok {
		return memoryWithoutCgroup
	}
	return max(minMemory, min(limit-minHeadroom, limit/4*3))
}

// cgroupLimit returns the memory limit of the process's cgroup and of those above it, of version 1 or 2.
func cgroupLimit(root string) (int64, bool) {
	text, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return 0, false
	}
	limit := int64(math.MaxInt64)
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(fields) < 3:
		case fields[1] == "": // version 2
			limit = min(limit, lowestLimit(filepath.Join(root, "sys/fs/cgroup"), fields[2], "memory.max"))
		case strings.Contains(","+fields[1]+",", ",memory,"):
			limit = min(limit, lowestLimit(filepath.Join(root, "sys/fs/cgroup/memory"), fields[2], "memory.limit_in_bytes"))
		}
	}
	return limit, limit < 1<<50 // version 1 writes "no limit" as a huge number
}

// lowestLimit returns the lowest limit in the files of this name from the cgroup's directory up. In a
// container, the cgroup's own directory may be the topmost one.
func lowestLimit(mount, cgroup, name string) int64 {
	limit := int64(math.MaxInt64)
	for dir := path.Clean("/" + cgroup); ; dir = path.Dir(dir) {
		if text, err := os.ReadFile(filepath.Join(mount, dir, name)); err == nil {
			if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
				limit = min(limit, n)
			}
		}
		if dir == "/" {
			return limit
		}
	}
}

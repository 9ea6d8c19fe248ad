package server

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDefaultMemory(t *testing.T) {
	const mib = 1 << 20
	for name, test := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"no cgroup": {nil, 512 * mib},
		"version 2": {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "1073741824\n"}, 768 * mib},
		"version 2, in a container": {
			map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "268435456\n"}, 192 * mib,
		},
		"version 2, the limit is above": {
			map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "134217728\n"}, 64 * mib,
		},
		"version 2, no limit": {map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 512 * mib},
		"version 1": {
			map[string]string{"proc/self/cgroup": "5:cpu,memory:/x\n4:pids:/y\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "536870912\n"}, 384 * mib,
		},
		"version 1, in a container": {
			map[string]string{"proc/self/cgroup": "5:memory:/docker/x\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n"}, 384 * mib,
		},
		"version 1, no limit": {
			map[string]string{"proc/self/cgroup": "5:memory:/x\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "9223372036854771712\n"}, 512 * mib,
		},
		"tiny": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "67108864\n"}, 32 * mib},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for file, text := range test.files {
				file = filepath.Join(root, file)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := defaultMemory(root); got != test.want {
				t.Errorf("got %d MiB, want %d", got/mib, test.want/mib)
			}
		})
	}
}

// The parts of a budget leave room for garbage.
func TestPartsOfMemory(t *testing.T) {
	for _, total := range []int64{32 << 20, 512 << 20, 64 << 30} {
		for _, compress := range []bool{false, true} {
			m := Tuning{Memory: total, FeedBytes: 1 << 40, Compress: compress}.memory()
			sum := m.feed + m.catchUps + m.filters + m.bodies + m.lists + m.pages
			if compress {
				sum += min(7<<20, total/16) // at least: for one processor
			}
			if sum > total/8*7 || m.catchUps < 2<<20 {
				t.Errorf("the parts of %d MiB are %d MiB, %d of it for catch-ups", total>>20, sum>>20, m.catchUps>>20)
			}
		}
	}
	if m := (Tuning{Memory: 512 << 20, FeedBytes: 1 << 20}).memory(); m.feed != 1<<20 {
		t.Errorf("the feed has %d bytes", m.feed)
	}
}

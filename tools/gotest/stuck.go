package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// defaultTimeout is the limit of go test without -timeout.
const defaultTimeout = 10 * time.Minute

// quietLimit returns how long no test of a package may begin, end or print until that counts as a hang: two fifths of the limit of
// `go test`, which prints nothing before it has passed, or the time of -hang, after which a test itself says where it hangs.
func quietLimit(args []string) time.Duration {
	return max(durationOf("timeout", args, defaultTimeout)*2/5, durationOf("hang", args, 0))
}

// durationOf returns the value of the last flag with a name, or otherwise.
func durationOf(name string, args []string, otherwise time.Duration) time.Duration {
	for i, arg := range args {
		value, isFlag := strings.CutPrefix(strings.TrimLeft(arg, "-"), name)
		if !strings.HasPrefix(arg, "-") || !isFlag {
			continue
		}
		if value == "" && i+1 < len(args) {
			value = args[i+1]
		}
		if d, err := time.ParseDuration(strings.TrimPrefix(value, "=")); err == nil && d > 0 {
			otherwise = d
		}
	}
	return otherwise
}

// dumpStacks makes the test binary of a package, which is a child of the process with an id, print the stacks of its goroutines and
// end. It returns false if it finds none, as on systems without /proc.
func dumpStacks(parent int, dir string) bool {
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, path := range processes {
		pid, err := strconv.Atoi(filepath.Base(path))
		if err != nil || parentOf(path) != parent {
			continue
		}
		exe, _ := os.Readlink(filepath.Join(path, "exe"))
		cwd, _ := os.Readlink(filepath.Join(path, "cwd"))
		if !strings.HasSuffix(exe, ".test") || cwd != dir {
			continue
		}
		if process, err := os.FindProcess(pid); err == nil && process.Signal(syscall.SIGQUIT) == nil {
			return true
		}
	}
	return false
}

// parentOf returns the id of the parent of the process that a directory of /proc describes, or 0.
func parentOf(path string) int {
	stat, err := os.ReadFile(filepath.Join(path, "stat"))
	if err != nil {
		return 0
	}
	// The name, in parentheses, may have spaces; state and parent follow.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU time in /proc: USER_HZ, which is 100 wherever Linux runs.
const tick = 10 * time.Millisecond

// procStat is what we need of /proc/PID/stat.
type procStat struct {
	parent   int
	self     time.Duration // CPU time, user and system
	children time.Duration // of children that have ended and were waited for
}

// parseStat reads a line of /proc/PID/stat. The program's name stands in parentheses and may
// hold any character.
func parseStat(text []byte) (procStat, error) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return procStat{}, fmt.Errorf("read the state of a process: %q has no name in it", text)
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 15 {
		return procStat{}, fmt.Errorf("read the state of a process: %q is too short", text)
	}
	var n [15]int64
	for i := 1; i < 15; i++ {
		v, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return procStat{}, fmt.Errorf("read the state of a process: %w", err)
		}
		n[i] = v
	}
	return procStat{
		parent:   int(n[1]),
		self:     time.Duration(n[11]+n[12]) * tick,
		children: time.Duration(n[13]+n[14]) * tick,
	}, nil
}

func statOf(pid int) (procStat, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return procStat{}, fmt.Errorf("read the state of process %d: %w", pid, err)
	}
	return parseStat(text)
}

// cpuOf is the CPU time of a process so far, without its children.
func cpuOf(pid int) (time.Duration, error) {
	s, err := statOf(pid)
	return s.self, err
}

// treeCPU is the CPU time of a process and of its children, those that have ended included.
func treeCPU(root int) (time.Duration, error) {
	s, err := statOf(root)
	if err != nil {
		return 0, err
	}
	sum := s.self + s.children
	for _, pid := range childrenOf(root) {
		if c, err := statOf(pid); err == nil { // it may have ended meanwhile
			sum += c.self + c.children
		}
	}
	return sum, nil
}

func childrenOf(root int) []int {
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	var pids []int
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		if s, err := parseStat(text); err == nil && s.parent == root {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name))) // the glob wants a number
			pids = append(pids, pid)
		}
	}
	return pids
}

// rssOf is the memory of a process that is in RAM, and the most that it ever was, in bytes.
func rssOf(pid int) (now, peak int64, err error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, 0, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	return kilobytes(text, "VmRSS:") << 10, kilobytes(text, "VmHWM:") << 10, nil
}

// kilobytes finds a line like "VmRSS:   123 kB".
func kilobytes(text []byte, name string) int64 {
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n
		}
	}
	return 0
}

// slab is the kernel's memory for its own objects, sockets among them, in bytes.
func slab() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	return kilobytes(text, "Slab:") << 10
}

// machineCPU is what all processors together have done, and how much of it was nothing.
func machineCPU() (total, idle time.Duration) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(line) {
		n, err := strconv.ParseInt(field, 10, 64)
		if i == 0 || i > 8 || err != nil { // guests are in user time already
			continue
		}
		if total += time.Duration(n) * tick; i == 4 || i == 5 {
			idle += time.Duration(n) * tick
		}
	}
	return total, idle
}

// processorName is the model that /proc/cpuinfo names.
func processorName() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

package process

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of CPU time in /proc: USER_HZ, 100 on every platform of Linux.
const tick = 10 * time.Millisecond

// procStat holds fields of /proc/PID/stat.
type procStat struct {
	parent   int
	self     time.Duration // CPU time, user and system
	children time.Duration // of children that have ended and were waited for
}

// parseStat parses /proc/PID/stat. The program's name is in parentheses and may hold any character,
// parentheses included.
func parseStat(text []byte) (procStat, error) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return procStat{}, fmt.Errorf("parse /proc/PID/stat: %q contains no name", text)
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 15 {
		return procStat{}, fmt.Errorf("parse /proc/PID/stat: %q is too short", text)
	}
	var n [15]int64
	for i := 1; i < 15; i++ {
		v, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return procStat{}, fmt.Errorf("parse /proc/PID/stat: %w", err)
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

// CPU returns the CPU time of a process, without its children.
func CPU(pid int) (time.Duration, error) {
	s, err := statOf(pid)
	return s.self, err
}

// TreeCPU returns the CPU time of a process and its children, including those that have ended.
func TreeCPU(root int) (time.Duration, error) {
	s, err := statOf(root)
	if err != nil {
		return 0, err
	}
	sum := s.self + s.children
	for _, pid := range Children(root) {
		if c, err := statOf(pid); err == nil { // it may have ended meanwhile
			sum += c.self + c.children
		}
	}
	return sum, nil
}

// Children returns the ids of a process's children.
func Children(root int) []int {
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
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name))) // the glob matches digits
			pids = append(pids, pid)
		}
	}
	return pids
}

// Parent returns the id of a process's parent, if the process runs the named program.
func Parent(pid int, program string) (parent int, ok bool) {
	name, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	if err != nil || !strings.HasPrefix(string(name), program) {
		return 0, false
	}
	s, err := statOf(pid)
	return s.parent, err == nil
}

// Memory returns the resident memory of a process, and its peak, in bytes.
func Memory(pid int) (rss, peak int64, err error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, 0, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	return kilobytes(text, "VmRSS:") << 10, kilobytes(text, "VmHWM:") << 10, nil
}

// ResetPeak sets the peak of a process's memory to its present memory (proc(5), clear_refs). An error is
// ignored: the peak can then only be too high.
func ResetPeak(pid int) { _ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0) }

// kilobytes returns the number of a line like "VmRSS:   123 kB", and 0 if there is none.
func kilobytes(text []byte, name string) int64 {
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n
		}
	}
	return 0
}

// Slab returns the memory of the kernel's own objects, among them sockets, in bytes.
func Slab() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	return kilobytes(text, "Slab:") << 10
}

// MachineCPU returns the time of all processors together, and how much of it they were idle.
func MachineCPU() (total, idle time.Duration) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(line) {
		n, err := strconv.ParseInt(field, 10, 64)
		if i == 0 || i > 8 || err != nil { // user time includes that of guests
			continue
		}
		if total += time.Duration(n) * tick; i == 4 || i == 5 {
			idle += time.Duration(n) * tick
		}
	}
	return total, idle
}

// ProcessorName returns the model from /proc/cpuinfo.
func ProcessorName() string {
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

// Kernel returns the release of Linux.
func Kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// MaxOpenFiles returns how many files a process may have open. The Go runtime raises the soft limit to
// the hard limit.
func MaxOpenFiles() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return int(min(limit.Max, 1<<30))
}

// AllowedCPUs returns the processors that this process may use.
func AllowedCPUs() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("read the allowed processors: %w", err)
	}
	var cpus []int
	for i := range 1024 {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return cpus, nil
}

// Confine binds all threads of a process to processors, as far as permissions allow.
func Confine(pid int, cpus []int) {
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, t := range threads {
		var id int
		if _, err := fmt.Sscan(t.Name(), &id); err == nil {
			_ = unix.SchedSetaffinity(id, cpuSet(cpus))
		}
	}
}

func cpuSet(cpus []int) *unix.CPUSet {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	return &set
}

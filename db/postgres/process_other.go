//go:build unix && !linux

package postgres

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// endsWithParent has no effect on this system: the server survives a kill -9 of its parent, and the next start
// reports its process id.
func endsWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// freeze suspends a process and returns its children.
func freeze(pid int) []int {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return nil
	}
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil
	}
	var children []int
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) != 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		if child, err := strconv.Atoi(fields[0]); err == nil {
			children = append(children, child)
		}
	}
	return children
}

// holder recognizes a server by its program name. This system offers no better way; PostgreSQL itself decides
// about any other process.
func holder(pid int, _ string) holding {
	out, err := exec.Command("ps", "-p", strconv.Itoa(pid), "-o", "comm=").Output()
	if err != nil || !strings.Contains(string(out), "postgres") {
		return holderNone
	}
	return holderServer
}

//go:build unix && !linux

package postgres

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// endsWithParent cannot be had here: after kill -9 of the parent the server
// goes on, and the next start says which process to stop.
func endsWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// freeze stops a process in its tracks and returns its children.
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

// holder leaves a lock whose process lives, and is not a postgres, to Postgres,
// which refuses: there is no sure way here to tell whose it is.
func holder(pid int, _ string) holding {
	out, err := exec.Command("ps", "-p", strconv.Itoa(pid), "-o", "comm=").Output()
	if err != nil || !strings.Contains(string(out), "postgres") {
		return holderNone
	}
	return holderServer
}

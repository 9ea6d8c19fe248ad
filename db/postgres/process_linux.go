package postgres

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// endsWithParent makes the kernel send SIGINT (fast shutdown) to the server when the thread that started it
// ends, see child.run.
func endsWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT}
}

// stat returns the state letter and the parent of a process.
func stat(pid int) (state byte, parent int, ok bool) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, 0, false
	}
	// The program's name precedes the fields, in parentheses. It may contain parentheses itself.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 {
		return 0, 0, false
	}
	parent, err = strconv.Atoi(string(fields[1]))
	return fields[0][0], parent, err == nil
}

// alive reports whether a process runs. A zombie does not count: in many containers process 1 does not reap
// orphans, so a zombie would stay forever.
func alive(pid int) bool {
	state, _, ok := stat(pid)
	return ok && state != 'Z' && state != 'X'
}

// freeze suspends a process and returns its children.
func freeze(pid int) []int {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return nil
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		if state, _, ok := stat(pid); !ok || state == 'T' || state == 'Z' {
			break
		}
		<-tick.C
	}
	return childrenOf(pid)
}

func childrenOf(pid int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var children []int
	for _, entry := range entries {
		id, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if _, parent, ok := stat(id); ok && parent == pid {
			children = append(children, id)
		}
	}
	return children
}

// holder recognizes the server of a data directory by its working directory: a server enters its data
// directory before it writes the lock file.
func holder(pid int, dataDir string) holding {
	if !alive(pid) {
		return holderNone
	}
	cwd, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid), "cwd"))
	if err != nil {
		return holderNone
	}
	data, err := os.Stat(dataDir)
	if err != nil {
		return holderNone
	}
	if os.SameFile(cwd, data) {
		return holderServer
	}
	return holderOther
}

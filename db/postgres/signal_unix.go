//go:build unix

package postgres

import (
	"os"
	"syscall"
)

// interrupt asks the server for a fast shutdown.
func interrupt(p *os.Process) error { return p.Signal(syscall.SIGINT) }

// quit asks the server for an immediate shutdown, without a last checkpoint.
func quit(p *os.Process) error { return p.Signal(syscall.SIGQUIT) }

// killPID has nothing to report: the process is gone, or waitGone will say
// that it is not.
func killPID(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }

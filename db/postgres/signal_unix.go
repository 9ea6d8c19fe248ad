//go:build unix

package postgres

import (
	"os"
	"syscall"
)

// interrupt starts a fast shutdown.
func interrupt(p *os.Process) error { return p.Signal(syscall.SIGINT) }

// quit starts an immediate shutdown, without a final checkpoint.
func quit(p *os.Process) error { return p.Signal(syscall.SIGQUIT) }

// killPID kills a process. It ignores the error: waitGone reports a process that survives.
func killPID(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }

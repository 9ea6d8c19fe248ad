package postgres

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// poll is how often we look at what has no event to wait for: a line in a
	// file, a process that is not our child.
	poll = 5 * time.Millisecond

	// immediateTimeout is how long a server may take for an immediate stop,
	// which is a few milliseconds' work.
	immediateTimeout = 10 * time.Second
)

// child is a running process. Its goroutine ends with it, and whoever has the
// child waits for both on done.
type child struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error       // of Wait; read it after done
	told atomic.Bool // it was told to end, so its end is no surprise

	log      string // the server's log file
	logStart int64  // where this process's part of it begins
}

func spawn(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go c.run(started)
	return c, <-started
}

// run keeps its OS thread for as long as the child lives: the kernel counts
// the thread, not the process, as the parent whose death the child is told of.
func (c *child) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(c.done)
	if err := c.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	c.err = c.cmd.Wait()
}

func (c *child) pid() int { return c.cmd.Process.Pid }

func (c *child) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// reason says why the child ended, unless it was told to.
func (c *child) reason() error {
	if !c.ended() || c.told.Load() {
		return nil
	}
	return c.endError()
}

func (c *child) endError() error {
	tail := tailOf(c.log, c.logStart)
	if strings.Contains(tail, "could not bind") {
		return fmt.Errorf("%w; its log ends with:\n%s", errPortTaken, tail)
	}
	how := "it exited"
	if c.err != nil {
		how = c.err.Error()
	}
	return fmt.Errorf("run PostgreSQL: %s; its log ends with:\n%s", how, tail)
}

// waitReady returns when the server takes connections; if it does not, no
// process is left.
func (c *child) waitReady(ctx context.Context, dataDir string) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		lock, err := readLock(dataDir)
		if err == nil && lock.pid == c.pid() && lock.status == "ready" {
			return nil
		}
		select {
		case <-c.done:
			return c.endError()
		case <-ctx.Done():
			return errors.Join(
				fmt.Errorf("start PostgreSQL: %w; its log ends with:\n%s", ctx.Err(), tailOf(c.log, c.logStart)),
				c.stopNow())
		case <-tick.C:
		}
	}
}

// stop asks for a fast shutdown, and does not wait for longer than ctx.
func (c *child) stop(ctx context.Context) error {
	if c.ended() {
		return nil
	}
	c.told.Store(true)
	if err := interrupt(c.cmd.Process); err != nil && !c.ended() {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("stop PostgreSQL in time: %w; it was stopped at once", ctx.Err()), c.stopNow())
	}
}

// stopNow asks for an immediate shutdown, and if even that takes long, kills.
func (c *child) stopNow() error {
	c.told.Store(true)
	if err := quit(c.cmd.Process); err != nil && !c.ended() {
		return fmt.Errorf("stop PostgreSQL at once: %w", err)
	}
	timer := time.NewTimer(immediateTimeout)
	defer timer.Stop()
	select {
	case <-c.done:
		return nil
	case <-timer.C:
		return c.kill()
	}
}

// kill ends the server with everything it has forked. The server is frozen
// first, so that it can neither fork another process nor let the id of a dead
// one go to somebody else while we look.
func (c *child) kill() error {
	if c.ended() {
		return nil
	}
	c.told.Store(true)
	children := freeze(c.pid())
	for _, pid := range children {
		killPID(pid)
	}
	if err := c.cmd.Process.Kill(); err != nil && !c.ended() {
		return fmt.Errorf("kill PostgreSQL: %w", err)
	}
	<-c.done
	return waitGone(children)
}

// waitGone waits for processes that are not our children to vanish.
func waitGone(pids []int) error {
	deadline := time.NewTimer(immediateTimeout)
	defer deadline.Stop()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for _, pid := range pids {
		for alive(pid) {
			select {
			case <-tick.C:
			case <-deadline.C:
				return fmt.Errorf("wait for process %d of the killed PostgreSQL to end: it is still there", pid)
			}
		}
	}
	return nil
}

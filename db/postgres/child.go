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
	// poll is the interval at which this package checks for changes that nothing signals: a line in a file,
	// the end of a process that is not a child of this one.
	poll = 5 * time.Millisecond

	// immediateTimeout bounds an immediate shutdown, which takes a few milliseconds.
	immediateTimeout = 10 * time.Second
)

// child is a running process. done is closed when the process and its goroutine have ended.
type child struct {
	cmd         *exec.Cmd
	done        chan struct{}
	err         error       // from Wait; valid after done
	endExpected atomic.Bool // this process stopped or killed it

	log      string // the server's log file
	logStart int64  // the offset at which the output of this process begins
}

func spawn(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go c.run(started)
	return c, <-started
}

// run starts the child and waits for it, on a locked OS thread: the kernel signals the child when its parent
// thread ends, not its parent process.
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

// reason returns why the child ended unexpectedly. It returns nil while the child runs, and if this process
// stopped it.
func (c *child) reason() error {
	if !c.ended() || c.endExpected.Load() {
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

// waitReady waits until the server accepts connections. If it returns an error, the server has ended.
func (c *child) waitReady(ctx context.Context, dataDir string) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		lock, err := readLock(dataDir)
		if err == nil && lock.pid == c.pid() && (lock.status == "ready" || lock.status == "standby") {
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

// stop shuts the server down in fast mode, and in immediate mode if ctx ends first.
func (c *child) stop(ctx context.Context) error {
	if c.ended() {
		return nil
	}
	c.endExpected.Store(true)
	if err := interrupt(c.cmd.Process); err != nil && !c.ended() {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("stop PostgreSQL in time: %w; it was stopped in immediate mode", ctx.Err()), c.stopNow())
	}
}

// stopNow shuts the server down in immediate mode, and kills it after immediateTimeout.
func (c *child) stopNow() error {
	c.endExpected.Store(true)
	if err := quit(c.cmd.Process); err != nil && !c.ended() {
		return fmt.Errorf("stop PostgreSQL in immediate mode: %w", err)
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

// kill ends the server and all its child processes. It freezes the server first, so that the server can
// neither start another process nor reap one, which would free that one's id for another program.
func (c *child) kill() error {
	if c.ended() {
		return nil
	}
	c.endExpected.Store(true)
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

// waitGone waits until processes that are not children of this one have ended.
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
				return fmt.Errorf("wait for process %d of the killed PostgreSQL to end: it is still running", pid)
			}
		}
	}
	return nil
}

package notify_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
)

// After a leader's process was killed, writers notify again as soon as PostgreSQL has ended its session.
func TestLeaderProcessKilledAtEachStep(t *testing.T) {
	testAtEachStep(t, func(t *testing.T, s *faultScenario) {
		p := startLeader(t, s)
		tx := s.lead(t, p.awaitStep)
		s.insert(t, s.conn)
		p.signal(t, syscall.SIGKILL)
		s.insert(t, s.conn)
		pgtest.Commit(t, tx)
		s.witness.awaitDelivered(s.conn)
		s.awaitUnlocked(t)
		s.insert(t, s.conn)
		s.witness.awaitAnnounced(s.conn, "after the leader was killed")
	})
}

// A leader's process that is stopped loses its session, or had no lock. Writers notify again while it is
// stopped, and it does no harm when it continues.
func TestLeaderProcessStoppedAtEachStep(t *testing.T) {
	testAtEachStep(t, func(t *testing.T, s *faultScenario) {
		p := startLeader(t, s)
		tx := s.lead(t, p.awaitStep)
		p.signal(t, syscall.SIGSTOP)
		s.insert(t, s.conn)
		s.witness.awaitDelivered(s.conn)
		s.awaitUnlockedBesideFrozen(t)
		s.insert(t, s.conn)
		s.witness.awaitAnnounced(s.conn, "while the leader is stopped")
		pgtest.Commit(t, tx)
		s.witness.awaitDelivered(s.conn)
		p.signal(t, syscall.SIGCONT)
		p.resume(t)
		s.insert(t, s.conn)
		s.witness.awaitDelivered(s.conn)
	})
}

// leaderProcess is a leader in a process of its own.
type leaderProcess struct {
	cmd   *exec.Cmd
	stdin io.Writer
	lines chan string // the steps that it prints
}

// Environment variables that make this test binary run a leader: the database, and the step at which it
// waits.
const (
	leaderProcessURL    = "PGHERALD_TEST_LEADER_URL"
	leaderProcessHoldAt = "PGHERALD_TEST_LEADER_HOLD_AT"
)

// startLeader runs a leader that waits at the step of the scenario. Without a step it never waits.
func startLeader(t *testing.T, s *faultScenario) *leaderProcess {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &leaderProcess{cmd: exec.Command(exe), lines: make(chan string, 1000)}
	p.cmd.Env = append(os.Environ(), leaderProcessURL+"="+s.url, leaderProcessHoldAt+"="+string(s.step))
	p.cmd.Stderr = os.Stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			p.lines <- lines.Text()
		}
	})
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // ends a stopped process, too
		pgtest.Within(t, "the end of a process", func() {
			reading.Wait()
			_ = p.cmd.Wait()
		})
	})
	p.awaitStep("listening")
	if s.step == "" { // discard the steps, for which no test waits
		reading.Go(func() {
			for range p.lines {
			}
		})
	}
	return p
}

func (p *leaderProcess) awaitStep(step notify.LeaderStep) {
	for line := range p.lines {
		if line == string(step) {
			return
		}
	}
}

func (p *leaderProcess) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// resume lets the leader go on from its step.
func (p *leaderProcess) resume(t *testing.T) {
	t.Helper()
	if _, err := fmt.Fprintln(p.stdin); err != nil {
		t.Fatal(err)
	}
}

// runLeaderProcess is the main function of a leader process. It prints each step, and waits at one of them
// for a line on standard input.
func runLeaderProcess(url string, holdAt notify.LeaderStep) error {
	ctx := context.Background()
	pool, err := db.OpenLogPool(ctx, url, 2)
	if err != nil {
		return err
	}
	defer pool.Close()
	listener, err := notify.OpenListener(ctx, url, pool, quick)
	if err != nil {
		return err
	}
	stdin := bufio.NewReader(os.Stdin)
	opts := notify.LeaderOptions{SessionTimeout: shortSession.SessionTimeout, OnStep: func(step notify.LeaderStep) {
		fmt.Fprintln(os.Stdout, step)
		if step == holdAt {
			_, _ = stdin.ReadString('\n') // returns when the parent ends, too
		}
	}}
	if holdAt == "" {
		opts.Window = shortTerms.Window
	}
	leader, err := notify.NewLeader(listener, url, opts)
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	running.Go(func() { listener.Run(ctx) })
	running.Go(func() { leader.Run(ctx) })
	if err := listener.WaitLive(ctx); err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "listening")
	running.Wait()
	return nil
}

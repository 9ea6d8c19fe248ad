// Package servertest runs the server programs of others for tests, each for a test of its own, on loopback.
//
// It promises that a server ends with its test, also if the test process is killed (on Linux).
package servertest

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// StepTimeout bounds each wait. It is far longer than a step takes.
const StepTimeout = 2 * time.Minute

const (
	pollInterval  = 5 * time.Millisecond
	retryInterval = 100 * time.Millisecond
)

// Program says how to run a server. All fields are required.
type Program struct {
	// Paths are where the program may be: names are looked up in PATH.
	Paths []string
	// Args returns the arguments of a server that listens on a port of 127.0.0.1 and writes its log to a file.
	Args func(port, log string) []string
	// IsThere reports whether the server with an address and a process number answers, and not another one on its port.
	IsThere func(ctx context.Context, addr string, pid int) bool
}

// Server is a server that keeps its port. One goroutine uses it.
type Server struct {
	t       testing.TB
	program Program
	addr    string
	log     string
	done    chan struct{} // closed when the process has ended
	cmd     *exec.Cmd
}

// Start starts a server, which ends with the test.
func Start(t testing.TB, p Program) *Server {
	t.Helper()
	s := &Server{t: t, program: p, log: filepath.Join(t.TempDir(), "log")}
	// The port may be taken between the look and the start.
	for attempt := 0; ; attempt++ {
		s.addr = freeAddr(t)
		err := s.start()
		if err == nil {
			break
		}
		if attempt == 9 {
			t.Fatalf("start %s: %v", s.name(), err)
		}
	}
	t.Cleanup(s.Kill)
	return s
}

func freeAddr(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Restart starts the server again on the same port, with what it has stored. The server must not run. A connection of another program
// may have the port meanwhile, so Restart tries until StepTimeout.
func (s *Server) Restart() {
	s.t.Helper()
	timeout := time.NewTimer(StepTimeout)
	defer timeout.Stop()
	retry := time.NewTicker(retryInterval)
	defer retry.Stop()
	for {
		err := s.start()
		if err == nil {
			return
		}
		select {
		case <-retry.C:
		case <-timeout.C:
			s.t.Fatalf("start %s again: %v", s.name(), err)
		}
	}
}

// Kill ends the server at once, as kill -9 does. What it has not stored is lost. It may be called again.
func (s *Server) Kill() {
	if s.cmd.Process != nil { // nil if it could not be started
		_ = s.cmd.Process.Kill() // it may have ended
	}
	<-s.done
}

// Addr returns the address, as host:port.
func (s *Server) Addr() string { return s.addr }

// LogFile returns the path of the server's log.
func (s *Server) LogFile() string { return s.log }

func (s *Server) name() string { return s.program.Paths[0] }

// path returns the path of the program.
func (s *Server) path() (string, error) {
	for _, name := range s.program.Paths {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("find " + strings.Join(s.program.Paths, " or ") + " in PATH: make setup installs it")
}

// start makes one attempt. Without success no process is left.
func (s *Server) start() error {
	path, err := s.path()
	if err != nil {
		s.t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return err
	}
	s.cmd = exec.Command(path, s.program.Args(port, s.log)...)
	s.cmd.SysProcAttr = endsWithParent()
	s.done = make(chan struct{})
	started := make(chan error)
	go run(s.cmd, started, s.done)
	if err := <-started; err != nil {
		return err
	}
	if err := s.awaitAnswer(); err != nil {
		s.Kill()
		return err
	}
	return nil
}

// run starts the process and waits for it, on a locked OS thread: the kernel signals the process when its parent thread ends.
func run(cmd *exec.Cmd, started chan<- error, done chan<- struct{}) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(done)
	err := cmd.Start()
	started <- err
	if err == nil {
		_ = cmd.Wait() // a test may have killed it
	}
}

// awaitAnswer waits until this server answers.
func (s *Server) awaitAnswer() error {
	ctx, cancel := context.WithTimeout(context.Background(), StepTimeout)
	defer cancel()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		if s.program.IsThere(ctx, s.addr, s.cmd.Process.Pid) {
			return nil
		}
		select {
		case <-poll.C:
		case <-s.done:
			log, _ := os.ReadFile(s.log)
			return errors.New("it ended: " + string(log))
		case <-ctx.Done():
			return errors.New("it does not answer")
		}
	}
}

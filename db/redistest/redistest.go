// Package redistest starts Redis or Valkey servers for tests, each of a test's own, on loopback.
//
// It promises that a server ends with its test, also if the test process is killed (on Linux).
package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// stepTimeout bounds each wait. It is far longer than a step takes.
const stepTimeout = 2 * time.Minute

const (
	pollInterval  = 5 * time.Millisecond
	retryInterval = 100 * time.Millisecond
)

// Server is a server with a data directory. One goroutine uses it.
type Server struct {
	t    testing.TB
	addr string
	dir  string
	args []string      // beyond those that every server has
	done chan struct{} // closed when the process has ended
	cmd  *exec.Cmd
}

// Start starts an empty server, which ends with the test. The settings are as on its command line; without any, what it has not saved is lost
// with it.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir(), args: settings}
	// The port may be taken between the look and the start.
	for attempt := 0; ; attempt++ {
		s.addr = freeAddr(t)
		err := s.start()
		if err == nil {
			break
		}
		if attempt == 9 {
			t.Fatalf("start redis-server: %v", err)
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

// program returns the path of the server program.
func program() (string, error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("find redis-server or valkey-server in PATH: make setup installs it")
}

// Restart starts the server again on the same port, with what it last saved. The server must not run. A connection of another program
// may have the port meanwhile, so Restart tries until stepTimeout.
func (s *Server) Restart() {
	s.t.Helper()
	timeout := time.NewTimer(stepTimeout)
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
			s.t.Fatalf("start redis-server again: %v", err)
		}
	}
}

// start makes one attempt. Without success no process is left.
func (s *Server) start() error {
	path, err := program()
	if err != nil {
		s.t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return err
	}
	args := []string{"--bind", "127.0.0.1", "--port", port, "--dir", s.dir, "--save", "", "--appendonly", "no", "--logfile", filepath.Join(s.dir, "log")}
	s.cmd = exec.Command(path, append(args, s.args...)...)
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

// awaitAnswer waits until this server answers, and not another one on its port.
func (s *Server) awaitAnswer() error {
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: s.addr, MaxRetries: -1})
	defer client.Close()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	pid := fmt.Sprintf("process_id:%d\r\n", s.cmd.Process.Pid)
	for {
		if info, err := client.Info(ctx, "server").Result(); err == nil && strings.Contains(info, pid) {
			return nil
		}
		select {
		case <-poll.C:
		case <-s.done:
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("it ended: %s", log)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Kill ends the server at once, as kill -9 does. What it has not saved is lost. It may be called again.
func (s *Server) Kill() {
	if s.cmd.Process != nil { // nil if it could not be started
		_ = s.cmd.Process.Kill() // it may have ended
	}
	<-s.done
}

// Addr returns the address, as host:port.
func (s *Server) Addr() string { return s.addr }

// URL returns the URL of database 0.
func (s *Server) URL() string { return "redis://" + s.addr + "/0" }

// Client returns a new client, which is closed with the test.
func (s *Server) Client() *redis.Client {
	client := redis.NewClient(&redis.Options{Addr: s.addr})
	s.t.Cleanup(func() { _ = client.Close() })
	return client
}

// Save makes the server write its data to its directory, from where Restart reads it.
func (s *Server) Save() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	if err := s.Client().Save(ctx).Err(); err != nil {
		s.t.Fatalf("save the data: %v", err)
	}
}

// Wipe removes what the server has saved. The server must not run.
func (s *Server) Wipe() {
	s.t.Helper()
	if err := os.RemoveAll(s.dump()); err != nil {
		s.t.Fatal(err)
	}
}

// Dump returns what the server has last saved.
func (s *Server) Dump() []byte {
	s.t.Helper()
	data, err := os.ReadFile(s.dump())
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

// Restore replaces what the server has saved by an earlier dump. The server must not run.
func (s *Server) Restore(dump []byte) {
	s.t.Helper()
	if err := os.WriteFile(s.dump(), dump, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) dump() string { return filepath.Join(s.dir, "dump.rdb") }

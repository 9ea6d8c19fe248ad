// Package natstest starts NATS servers for tests, each of a test's own, on loopback.
//
// It promises that a server ends with its test, also if the test process is killed (on Linux).
package natstest

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// stepTimeout bounds each wait. It is far longer than a step takes.
const stepTimeout = 2 * time.Minute

const pollInterval = 20 * time.Millisecond

// Server is a server with a data directory. One goroutine uses it.
type Server struct {
	t    testing.TB
	addr string
	dir  string
	done chan struct{} // closed when the process has ended
	cmd  *exec.Cmd
}

// Start starts a server with a configuration, which ends with the test.
func Start(t testing.TB, config string) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir()}
	if err := os.WriteFile(s.config(), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	// The port may be taken between the look and the start.
	for attempt := 0; ; attempt++ {
		s.addr = freeAddr(t)
		err := s.start()
		if err == nil {
			break
		}
		if attempt == 9 {
			t.Fatalf("start nats-server: %v", err)
		}
	}
	t.Cleanup(s.Kill)
	return s
}

// WithJetStream returns a configuration with JetStream and further lines.
func WithJetStream(t testing.TB, lines string) string {
	t.Helper()
	return "jetstream { store_dir: " + strconv.Quote(t.TempDir()) + " }\n" + lines
}

func freeAddr(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *Server) config() string { return filepath.Join(s.dir, "nats.conf") }

// Restart starts the server again on the same port, with what it has stored. The server must not run. A connection of another program may have
// the port meanwhile, so Restart tries until stepTimeout.
func (s *Server) Restart() {
	s.t.Helper()
	timeout := time.NewTimer(stepTimeout)
	defer timeout.Stop()
	retry := time.NewTicker(pollInterval)
	defer retry.Stop()
	for {
		err := s.start()
		if err == nil {
			return
		}
		select {
		case <-retry.C:
		case <-timeout.C:
			s.t.Fatalf("start nats-server again: %v", err)
		}
	}
}

// program returns the path of the server program. Debian's is not in the PATH of every user.
func program() (string, error) {
	for _, name := range []string{"nats-server", "/usr/sbin/nats-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("find nats-server in PATH: make setup installs it")
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
	s.cmd = exec.Command(path, "-a", "127.0.0.1", "-p", port, "-c", s.config(), "-n", s.name(), "-l", filepath.Join(s.dir, "log"))
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

// name tells this server from another one on its port.
func (s *Server) name() string {
	return filepath.Base(filepath.Dir(s.dir)) + "-" + filepath.Base(s.dir) + "-" + strconv.Itoa(os.Getpid())
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

// awaitAnswer waits until this server takes connections, with JetStream if it has that.
func (s *Server) awaitAnswer() error {
	timeout := time.NewTimer(stepTimeout)
	defer timeout.Stop()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		if s.isThere() {
			return nil
		}
		select {
		case <-poll.C:
		case <-s.done:
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return errors.New("it ended: " + string(log))
		case <-timeout.C:
			return errors.New("it does not answer")
		}
	}
}

// isThere reports whether this server takes connections. It may refuse this one for its user.
func (s *Server) isThere() bool {
	conn, err := nats.Connect(s.URL(), nats.Timeout(stepTimeout))
	if err != nil {
		return errors.Is(err, nats.ErrAuthorization)
	}
	defer conn.Close()
	return conn.ConnectedServerName() == s.name()
}

// Kill ends the server at once, as kill -9 does. It may be called again.
func (s *Server) Kill() {
	if s.cmd.Process != nil { // nil if it could not be started
		_ = s.cmd.Process.Kill() // it may have ended
	}
	<-s.done
}

// URL returns the URL of the server.
func (s *Server) URL() string { return "nats://" + s.addr }

// Client returns a client of JetStream, which is closed with the test.
func (s *Server) Client() jetstream.JetStream {
	s.t.Helper()
	conn, err := nats.Connect(s.URL(), nats.Timeout(stepTimeout), nats.MaxReconnects(-1), nats.ReconnectWait(pollInterval))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(conn.Close)
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(stepTimeout))
	if err != nil {
		s.t.Fatal(err)
	}
	return js
}

// AddStream adds a stream.
func (s *Server) AddStream(config jetstream.StreamConfig) jetstream.Stream {
	s.t.Helper()
	stream, err := s.Client().CreateStream(s.t.Context(), config)
	if err != nil {
		s.t.Fatal(err)
	}
	return stream
}

package pgtest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// NewPgBouncer starts a PgBouncer in front of a database for this test and returns the URL that leads through it.
// mode is session, transaction or statement; everything else has PgBouncer's defaults, except that it opens at most
// size connections to PostgreSQL, so that clients must share them. It skips the test if PgBouncer is not installed.
func NewPgBouncer(t testing.TB, databaseURL, mode string, size int) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program = "/usr/sbin/pgbouncer"; exec.Command(program, "--version").Run() != nil {
			t.Skip("PgBouncer is not installed: tools/setup installs it on Debian")
		}
	}
	server, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	at := FreeAddr(t)
	b := &pgBouncer{ended: make(chan struct{})}
	b.start(t, program, configurePgBouncer(t, server, at, mode, size))
	b.await(t, at)
	through := *server
	through.Host = at
	return through.String()
}

// configurePgBouncer writes a configuration and returns its file.
func configurePgBouncer(t testing.TB, server *url.URL, at, mode string, size int) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgherald-test-pgbouncer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("[databases]\n* = host=%s port=%s user=%s\n[pgbouncer]\nlisten_addr = %s\nlisten_port = %s\nunix_socket_dir =\n"+
		"auth_type = any\npool_mode = %s\ndefault_pool_size = %d\n", server.Hostname(), server.Port(), server.User.Username(), host, port, mode, size)
	file := filepath.Join(dir, "pgbouncer.ini")
	// If this process runs as root, PgBouncer runs as another user, who must be able to read the file.
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// pgBouncer is a running process.
type pgBouncer struct {
	log   lockedBuffer
	ended chan struct{} // closed at its end
}

// start runs PgBouncer until the test ends.
func (b *pgBouncer) start(t testing.TB, program, config string) {
	t.Helper()
	args := []string{config}
	if os.Getuid() == 0 { // PgBouncer refuses to run as root
		args = append([]string{"-u", "nobody"}, args...)
	}
	running, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(running, program, args...)
	cmd.Stderr = &b.log
	if err := cmd.Start(); err != nil {
		stop()
		t.Fatal(err)
	}
	go func() {
		defer close(b.ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		stop()
		<-b.ended
		if t.Failed() {
			t.Logf("PgBouncer's log:\n%s", b.log.String())
		}
	})
}

// await returns once PgBouncer listens.
func (b *pgBouncer) await(t testing.TB, at string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	for retry := time.NewTicker(5 * time.Millisecond); ; {
		if conn, err := net.Dial("tcp", at); err == nil {
			retry.Stop()
			_ = conn.Close()
			return
		}
		select {
		case <-retry.C:
		case <-b.ended:
			t.Fatalf("PgBouncer ended:\n%s", b.log.String())
		case <-ctx.Done():
			t.Fatal("PgBouncer does not listen")
		}
	}
}

// lockedBuffer is a buffer that a process writes and a test reads.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

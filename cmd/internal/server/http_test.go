package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pgherald/pgherald/api/metrics"
)

// logBuffer collects log lines and reports the first one.
type logBuffer struct {
	mu      sync.Mutex
	text    bytes.Buffer
	written chan struct{} // closed by the first Write
	once    sync.Once
}

func newLogBuffer() *logBuffer { return &logBuffer{written: make(chan struct{})} }

func (b *logBuffer) Write(line []byte) (int, error) {
	defer b.once.Do(func() { close(b.written) })
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(line)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// serveUntilLogged serves on l, calls visit, and returns the log once it has a line: net/http may write it
// after the client has its answer.
func serveUntilLogged(t *testing.T, l net.Listener, handler http.Handler, visit func()) string {
	t.Helper()
	logged := newLogBuffer()
	logger := slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelInfo}))
	server, err := Listen{H2C: true}.httpServer(newSockets(socketLimits{}, metrics.New(""), logger), memoryWithoutCgroup, logger)
	if err != nil {
		t.Fatal(err)
	}
	server.handle(handler)
	var running sync.WaitGroup
	running.Go(func() {
		if err := server.serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	visit()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	select {
	case <-logged.written:
	case <-ctx.Done():
		t.Error("nothing was logged")
	}
	if err := server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	running.Wait()
	return logged.String()
}

func panics(http.ResponseWriter, *http.Request) { panic("a bug") }

func TestPanicsAreLogged(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		logged := serveUntilLogged(t, l, http.HandlerFunc(panics), func() {
			transport := &http.Transport{Protocols: new(http.Protocols)}
			defer transport.CloseIdleConnections()
			transport.Protocols.SetHTTP1(!http2)
			transport.Protocols.SetUnencryptedHTTP2(http2)
			response, err := (&http.Client{Transport: transport}).Get("http://" + l.Addr().String())
			if err == nil {
				_ = response.Body.Close()
				t.Errorf("HTTP/2 %v: a panic was answered with %s", http2, response.Status)
			}
		})
		if !strings.Contains(logged, "level=ERROR") || !strings.Contains(logged, "a bug") {
			t.Errorf("HTTP/2 %v: a panic was logged as %q", http2, logged)
		}
	}
}

// fullListener fails the first Accept, as if the process had no file left.
type fullListener struct {
	net.Listener
	tried chan struct{}
	once  sync.Once
}

func (l *fullListener) Accept() (conn net.Conn, err error) {
	l.once.Do(func() { err = &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE} })
	if err != nil {
		return nil, err
	}
	close(l.tried)
	return l.Listener.Accept()
}

func TestFailedAcceptsAreLogged(t *testing.T) {
	bare, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &fullListener{Listener: bare, tried: make(chan struct{})}
	logged := serveUntilLogged(t, l, nil, func() { <-l.tried })
	if !strings.Contains(logged, "level=ERROR") || !strings.Contains(logged, "too many open files") {
		t.Errorf("an accept without a free file was logged as %q", logged)
	}
}

// TestClientErrorsAreNotLogged sends garbage instead of a TLS handshake.
func TestClientErrorsAreNotLogged(t *testing.T) {
	var logged bytes.Buffer
	logger := slog.NewLogLogger(httpLog{slog.NewTextHandler(&logged, nil)}, slog.LevelDebug)
	server := &http.Server{ErrorLog: logger, TLSConfig: &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return nil, errors.New("none")
	}}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { _ = server.ServeTLS(l, "", "") })
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "this is not TLS\r\n\r\n")
	_, _ = io.ReadAll(conn) // until the server closes the connection
	_ = conn.Close()
	_ = server.Close()
	running.Wait()
	if logged.Len() > 0 {
		t.Errorf("logged %q", logged.String())
	}
}

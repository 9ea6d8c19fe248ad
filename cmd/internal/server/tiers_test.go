package server

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/net/http2"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/metrics"
)

// requestsOf returns how many requests the server lets a new connection have open.
func (s *socketServer) requestsOf(from string) uint32 {
	s.Helper()
	conn := s.dial(from)
	f := http2.NewFramer(conn, conn)
	// net/http soon closes a connection without the client's settings.
	_, err := io.WriteString(conn, http2.ClientPreface)
	if err = errors.Join(err, f.WriteSettings()); err != nil {
		s.Fatal(err)
	}
	frame, err := f.ReadFrame()
	if err != nil {
		s.Fatal(err)
	}
	settings, ok := frame.(*http2.SettingsFrame)
	if !ok {
		s.Fatalf("the server begins with %v", frame)
	}
	requests, _ := settings.Value(http2.SettingMaxConcurrentStreams)
	return requests
}

// The more sockets are open, the fewer requests can a new connection have open, except one of a trusted proxy.
func TestRequestsOfAConnection(t *testing.T) {
	proxies := admission.Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32")}}
	s := newSocketServerWith(t, socketLimits{proxies: proxies}, minMemory, func(*httpServer) {})
	for open := 1; open <= 20; open++ {
		want := uint32(100)
		switch {
		case open > 16:
			want = 16
		case open > 2:
			want = 32
		}
		if got := s.requestsOf("127.0.0.1"); got != want {
			t.Errorf("%d requests with %d sockets, want %d", got, open, want)
		}
	}
	if got := s.requestsOf("127.0.0.9"); got != 100 {
		t.Errorf("%d requests of a proxy, want 100", got)
	}
}

// failingListener fails once as if too many files were open.
type failingListener struct {
	net.Listener
	once sync.Once
}

func (f *failingListener) Accept() (conn net.Conn, err error) {
	f.once.Do(func() { err = &net.OpError{Op: "accept", Err: syscall.EMFILE} })
	if err != nil {
		return nil, err
	}
	return f.Listener.Accept()
}

// A server goes on after an error of its listener that passes, and ends at another.
func TestErrorsOfTheListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	server, err := Listen{H2C: true}.httpServer(newSockets(socketLimits{}, metrics.New(""), logger), memoryWithoutCgroup, logger)
	if err != nil {
		t.Fatal(err)
	}
	server.handle(http.NotFoundHandler())
	ended := make(chan error, 1)
	go func() { ended <- server.serve(&failingListener{Listener: l}) }()
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Get("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	_ = l.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("serve returned %v", err)
	}
	_ = server.Close()
}

// A server ends if a tier fails before it serves, as with a certificate that ServeTLS cannot use.
func TestTierThatDoesNotServe(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	for failing := range maxRequests {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server, err := Listen{H2C: true}.httpServer(newSockets(socketLimits{}, metrics.New(""), logger), memoryWithoutCgroup, logger)
		if err != nil {
			t.Fatal(err)
		}
		start, unusable := server.start, server.tiers[failing].Server
		server.start = func(s *http.Server, l net.Listener) error {
			if s == unusable {
				return errors.ErrUnsupported
			}
			return start(s, l)
		}
		if err := server.serve(l); err == nil {
			t.Errorf("tier %d failed, and serve returned no error", failing)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("tier %d failed, and the listener is open: %v", failing, err)
		}
		_ = server.Close()
	}
}

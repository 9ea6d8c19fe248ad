package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/pgherald/pgherald/api/browser"
)

const (
	// maxSilence is the time after which a connection is closed if the peer acknowledges nothing. The kernel
	// and HTTP/2 pings enforce it. The write timeout cannot, because a write into the socket's buffer
	// succeeds.
	maxSilence = 5 * time.Minute

	// maxStreams is how many requests one HTTP/2 connection may have open. A browser shares one connection
	// among its tabs.
	maxStreams = 100

	maxHeaderBytes    = 64 << 10
	readHeaderTimeout = 10 * time.Second // of TLS handshakes too
	idleTimeout       = 2 * time.Minute  // of a socket without a request; see sockets.run
	pingTimeout       = 30 * time.Second

	// responseTimeout bounds the time from the end of a request's headers to the end of its response. A stream sets a
	// deadline of its own for each write.
	responseTimeout = time.Minute

	// http2Window is how many bytes of bodies a client may send on an HTTP/2 connection before a handler reads
	// them: the memory that net/http spends on a connection. It is also the protocol's minimum.
	http2Window = 64<<10 - 1

	// http2Frame is the size of the largest frame that a client may send, also the protocol's minimum. net/http keeps a
	// buffer of the size of the largest frame so far for each connection.
	http2Frame = 16 << 10
)

func (l Listen) validate() error {
	switch {
	case (l.TLSCert == "") != (l.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key must be set together")
	case l.TLSCert != "" && l.H2C:
		return errors.New("--h2c is HTTP/2 without TLS: remove it, because --tls-cert already enables HTTP/2")
	}
	if err := browser.Hosts(l.AllowedHosts).Check(); err != nil {
		return fmt.Errorf("--allowed-hosts: %w", err)
	}
	return nil
}

// hosts returns the host names under which clients reach the server at an address. Without a setting, only
// clients that need no token to reach a server on loopback are restricted: a page could reach it through
// their browsers under a name of its own. Elsewhere the server cannot know its names, and a proxy may pass any.
func (l Listen) hosts(t Tokens, addr net.Addr) browser.Hosts {
	tcp, ok := addr.(*net.TCPAddr)
	if len(l.AllowedHosts) == 0 && (t.Auth != "none" || !ok || !tcp.IP.IsLoopback()) {
		return browser.Hosts{"*"}
	}
	return l.AllowedHosts
}

func (l Listen) scheme() string {
	if l.TLSCert != "" {
		return "https"
	}
	return "http"
}

// Socket opens a socket for clients.
func Socket(ctx context.Context, addr string) (net.Listener, error) {
	config := net.ListenConfig{Control: limitSilence}
	l, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serve on %s: %w", addr, err)
	}
	return l, nil
}

// httpServer returns a server without a handler, and the function that makes it serve on a listener.
//
// The server has no IdleTimeout, since sockets closes idle connections: net/http starts the timer of an HTTP/2 connection again
// when the connection closes with open streams, and keeps its memory meanwhile. That is up to 2 MB for 8 KB of requests.
func (l Listen) httpServer(logger *slog.Logger) (*http.Server, func(net.Listener) error, error) {
	s := &http.Server{
		ReadHeaderTimeout: readHeaderTimeout,
		WriteTimeout:      responseTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		// net/http's own handler would wait for the body of OPTIONS *, without a deadline.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(httpLog{logger.Handler()}, slog.LevelDebug),
		Protocols:                    new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams,
			// A client of a stream sends nothing for hours. A ping shows whether it is still connected.
			SendPingTimeout: maxSilence / 2,
			PingTimeout:     pingTimeout,
			// Unlike a deadline of a stream, this ends a connection whose socket is full.
			WriteByteTimeout:              pingTimeout,
			MaxReceiveBufferPerConnection: http2Window,
			MaxReceiveBufferPerStream:     http2Window,
			MaxReadFrameSize:              http2Frame,
		},
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(l.H2C)
	if l.TLSCert == "" {
		return s, s.Serve, nil
	}
	pair, err := openCertificate(l.TLSCert, l.TLSKey, logger)
	if err != nil {
		return nil, nil, err
	}
	s.Protocols.SetHTTP2(true)
	s.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get}
	return s, func(listener net.Listener) error { return s.ServeTLS(listener, "", "") }, nil
}

// httpLog sets the level of net/http's messages, which all have the level debug. Most of them report
// mistakes of clients and keep this level. Panics and failed accepts get the level error.
type httpLog struct{ slog.Handler }

// Enabled returns true, since the level depends on the text.
func (httpLog) Enabled(context.Context, slog.Level) bool { return true }

// Handle raises the level of panics and failed accepts.
func (l httpLog) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, ": panic serving ") || strings.HasPrefix(r.Message, "http: Accept error: ") {
		r.Level = slog.LevelError
	}
	if !l.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

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

	maxHeaderBytes    = 64 << 10
	readHeaderTimeout = 10 * time.Second // of TLS handshakes too
	idleTimeout       = 2 * time.Minute  // of a socket without a request; see sockets.run
	pingTimeout       = 30 * time.Second

	// responseTimeout bounds the time from the end of a request's headers to the end of its response. A stream sets a
	// deadline of its own for each write.
	responseTimeout = time.Minute

	// refusalTimeout is that time for requests that net/http refuses itself, because of their headers.
	refusalTimeout = 10 * time.Second

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
	config := net.ListenConfig{Control: limitSocket}
	l, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serve on %s: %w", addr, err)
	}
	return l, nil
}

// httpServer returns a server without a handler for the sockets. budget is the memory budget in bytes.
//
// It has no IdleTimeout, since sockets closes idle connections: net/http starts the timer of an HTTP/2 connection again
// when the connection closes with open streams, and keeps its memory meanwhile. That is up to 2 MB for 8 KB of requests.
func (l Listen) httpServer(s *sockets, budget int64, logger *slog.Logger) (*httpServer, error) {
	h := &httpServer{start: (*http.Server).Serve}
	var secure *tls.Config
	if l.TLSCert != "" {
		pair, err := openCertificate(l.TLSCert, l.TLSKey, logger)
		if err != nil {
			return nil, err
		}
		secure = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get}
		h.start = func(server *http.Server, listener net.Listener) error { return server.ServeTLS(listener, "", "") }
	}
	for _, requests := range maxRequests {
		t := &tier{Server: l.tierServer(requests, logger), accepted: make(chan accepted), closed: make(chan struct{})}
		t.ConnState, t.ConnContext, t.TLSConfig = s.changed, withSocket, secure.Clone()
		h.tiers = append(h.tiers, t)
	}
	h.pick = func(conn net.Conn) int {
		if s.isTrusted(conn) {
			return 0
		}
		return tierOf(s.count(), budget)
	}
	return h, nil
}

// tierServer returns a server of net/http whose HTTP/2 connections may have so many requests open.
func (l Listen) tierServer(requests uint32, logger *slog.Logger) *http.Server {
	s := &http.Server{
		ReadHeaderTimeout: readHeaderTimeout,
		WriteTimeout:      refusalTimeout, // handler sets a deadline of its own
		MaxHeaderBytes:    maxHeaderBytes,
		// net/http's own handler would wait for the body of OPTIONS *, without a deadline.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(httpLog{logger.Handler()}, slog.LevelDebug),
		Protocols:                    new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: int(requests),
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
	s.Protocols.SetHTTP2(l.TLSCert != "")
	return s
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

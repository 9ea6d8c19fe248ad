package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// transportFlags are how clients reach the server.
type transportFlags struct {
	Addr    string `default:"127.0.0.1:8080" env:"PGHERALD_ADDR" help:"Address to serve on."`
	TLSCert string `type:"path" env:"PGHERALD_TLS_CERT" placeholder:"FILE" help:"Certificate chain in PEM, for HTTPS with HTTP/2. The file may be replaced while the server runs."`
	TLSKey  string `type:"path" env:"PGHERALD_TLS_KEY" placeholder:"FILE" help:"Key of the certificate, in PEM."`
	H2C     bool   `name:"h2c" env:"PGHERALD_H2C" help:"Also speak HTTP/2 without TLS, to a proxy that does."`
}

func (f transportFlags) checkTransport() error {
	switch {
	case (f.TLSCert == "") != (f.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key go together")
	case f.TLSCert != "" && f.H2C:
		return errors.New("--h2c is HTTP/2 without TLS: it does not go with --tls-cert, which brings HTTP/2 along")
	}
	return nil
}

func (f transportFlags) scheme() string {
	if f.TLSCert != "" {
		return "https"
	}
	return "http"
}

// listen makes the socket that clients connect to.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	config := net.ListenConfig{Control: limitSilence}
	return config.Listen(ctx, "tcp", addr)
}

// maxStreams is how many requests one HTTP/2 connection may have open: a browser shares one among all
// its tabs.
const maxStreams = 100

// httpServer returns the server, and what makes it serve.
func (f transportFlags) httpServer(handler http.Handler, logger *slog.Logger) (*http.Server, func(net.Listener) error, error) {
	s := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(httpLog{logger.Handler()}, slog.LevelDebug),
		Protocols:         new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams,
			// A client that listens says nothing for hours: a ping tells whether it is still there.
			SendPingTimeout: maxSilence / 2,
			PingTimeout:     30 * time.Second,
		},
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(f.H2C)
	if f.TLSCert == "" {
		return s, s.Serve, nil
	}
	pair, err := openCertificate(f.TLSCert, f.TLSKey, logger)
	if err != nil {
		return nil, nil, err
	}
	s.Protocols.SetHTTP2(true)
	s.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get}
	return s, func(l net.Listener) error { return s.ServeTLS(l, "", "") }, nil
}

package server

import (
	"net"
	"sync/atomic"
	"time"
)

// expiringListener accepts the connections of a server with TLS. A write deadline in the past is the last one of such a
// connection: crypto/tls would set another one of 5 s to send an alert to a client that reads nothing, and net/http keeps
// what it wanted to write meanwhile.
type expiringListener struct{ net.Listener }

// wrap returns a listener whose connections end when a stream is interrupted, if they use TLS. Others do so anyway.
func (l Listen) wrap(inner net.Listener) net.Listener {
	if l.TLSCert == "" {
		return inner
	}
	return expiringListener{inner}
}

func (l expiringListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &expiringConn{Conn: conn}, nil
}

type expiringConn struct {
	net.Conn
	hasExpired atomic.Bool
}

// SetWriteDeadline does nothing after a deadline in the past.
func (c *expiringConn) SetWriteDeadline(t time.Time) error {
	if !t.IsZero() && t.Before(time.Now()) {
		c.hasExpired.Store(true)
	}
	if c.hasExpired.Load() {
		t = time.Unix(1, 0)
	}
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline sets both deadlines.
func (c *expiringConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

package pgtest

import "net"

// link is one connection through the proxy. The proxy's mutex guards its fields. The pump goroutines use the
// connections without the mutex, since they start after both are set.
type link struct {
	client, server *net.TCPConn // server is nil until it is dialed
	done           chan struct{}
}

func (l *link) isCut() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// cut closes the connections with a reset: with SO_LINGER 0, the system sends no FIN and discards data in
// flight.
func (l *link) cut() {
	for _, conn := range l.open() {
		_ = conn.SetLinger(0)
	}
	l.close()
}

func (l *link) close() {
	for _, conn := range l.open() {
		_ = conn.Close()
	}
	if !l.isCut() {
		close(l.done)
	}
}

// open returns the connections that the proxy has not closed.
func (l *link) open() []*net.TCPConn {
	switch {
	case l.isCut():
		return nil
	case l.server == nil:
		return []*net.TCPConn{l.client}
	default:
		return []*net.TCPConn{l.client, l.server}
	}
}

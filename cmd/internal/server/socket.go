package server

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// socket is an open socket of a client, as net/http reads and writes it. It ends two connections that net/http would not: one whose
// client floods it (see allowance), and one whose client has sent a part of a request in readHeaderTimeout. net/http reads that part
// as a line and answers 400, after which an EventSource does not return, although the server may have been too busy to read
// the rest.
type socket struct {
	net.Conn
	sockets   *sockets
	isTrusted bool // a proxy: its connections carry the requests of many clients
	isBusy    atomic.Bool
	allowance allowance
	reads     int

	open context.Context // until Close
	end  context.CancelFunc

	// The rest is of sockets. The elements are nil while the socket is busy with a request.
	address   netip.Addr // invalid if the address has no limit
	since     time.Time  // without a request
	inAll     *list.Element
	inAddress *list.Element
}

// readsOfATurn is how many reads a connection makes before others have their turn. The two goroutines of an HTTP/2 connection wake
// each other within one slice of the scheduler, which is 10 ms if the client sends faster than they read: a goroutine then waits
// for seconds behind a thousand such connections.
const readsOfATurn = 8

var errFlood = errors.New("the client sends much more than its requests account for")

// socketOf returns the socket of a connection that net/http serves.
func socketOf(conn net.Conn) *socket {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	s, _ := conn.(*socket)
	return s
}

// Read implements net.Conn.
func (s *socket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if err != nil {
		// A request that is handled has deadlines of its own, with answers.
		if errors.Is(err, os.ErrDeadlineExceeded) && !s.isBusy.Load() {
			_ = s.Close()
		}
		return n, err
	}
	if s.reads++; s.reads%readsOfATurn == 0 {
		runtime.Gosched()
	}
	if s.isTrusted || s.account(n) {
		return n, nil
	}
	_ = s.Close()
	return 0, errFlood
}

// account counts bytes that were read. It waits for a turn if the client has sent more than its requests account for, and
// returns false if it has sent much more.
func (s *socket) account(n int) bool {
	switch unearned := s.allowance.take(n); {
	case unearned <= freeUnearned:
		return true
	case unearned > maxUnearned:
		s.sockets.flooded(s.RemoteAddr())
		return false
	}
	s.awaitTurn(n) // if the socket is closed meanwhile, the next read fails
	return true
}

// Write implements net.Conn.
func (s *socket) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	s.allowance.earn(max(0, n-answerBytes) / answersPerUpdate)
	return n, err
}

// Close implements net.Conn.
func (s *socket) Close() error {
	s.end()
	return s.Conn.Close()
}

// CloseWrite ends the direction to the client, if the connection can.
func (s *socket) CloseWrite() error {
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// SyscallConn implements syscall.Conn, for streams that leave net/http.
func (s *socket) SyscallConn() (syscall.RawConn, error) {
	if conn, ok := s.Conn.(syscall.Conn); ok {
		return conn.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

package server

import (
	"container/list"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/metrics"
)

// socketLimits bound the open sockets of clients. A limit of 0 means no limit.
type socketLimits struct {
	total int
	// perAddress bounds the sockets of one IPv4 address or one /64 network of IPv6, except those of streams that left
	// net/http. package admission bounds streams.
	perAddress int
	// proxies are exempt from perAddress, because their sockets are those of many clients.
	proxies admission.Proxies
	// streams returns the number of sockets that left net/http. They count for total.
	streams func() int
}

// sockets counts the sockets that net/http serves and applies the limits when it accepts another. At a limit, it closes
// the socket that has been without a request for the longest time, so that idle keep-alive connections, unfinished headers
// and unfinished handshakes keep no other client out. It refuses the new socket only if each one is busy with a request.
type sockets struct {
	limits  socketLimits
	metrics *metrics.Metrics
	logger  *slog.Logger

	turns *rate.Limiter // of bytes that no request accounts for; see allowance

	mu        sync.Mutex
	open      map[*socket]struct{}
	waiting   *list.List // of *socket without a request, the longest one first
	addresses map[netip.Addr]*socketsOf
	loggedAt  time.Time
	floodedAt time.Time // logged
}

// socketsOf holds the sockets of one address.
type socketsOf struct {
	open    int
	waiting list.List // as sockets.waiting
}

func newSockets(limits socketLimits, m *metrics.Metrics, logger *slog.Logger) *sockets {
	return &sockets{
		limits: limits, metrics: m, logger: logger, turns: newTurns(),
		open: make(map[*socket]struct{}), waiting: list.New(), addresses: make(map[netip.Addr]*socketsOf),
	}
}

// count returns the number of sockets that net/http serves.
func (s *sockets) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// isTrusted reports whether a socket is that of a proxy, which has requests of many clients.
func (s *sockets) isTrusted(conn net.Conn) bool {
	remote, ok := conn.RemoteAddr().(*net.TCPAddr)
	return ok && s.limits.proxies.Trusts(remote.AddrPort().Addr().Unmap())
}

// countStreams sets the function that counts the sockets that left net/http.
func (s *sockets) countStreams(count func() int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits.streams = count
}

// listener returns l with the limits. The server that uses it must call changed for each change of a connection.
func (s *sockets) listener(l net.Listener) net.Listener { return limitedListener{l, s} }

type limitedListener struct {
	net.Listener
	sockets *sockets
}

// Accept returns the next socket that the limits allow.
func (l limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if admitted := l.sockets.admit(conn); admitted != nil {
			return admitted, nil
		}
		_ = conn.Close() // the client may already be gone
	}
}

// admit counts a socket and returns it for net/http, nil if the limits do not allow it.
func (s *sockets) admit(conn net.Conn) *socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	added := &socket{Conn: conn, sockets: s, address: s.addressOf(conn), isTrusted: s.isTrusted(conn)}
	added.allowance.refilled = time.Now()
	if !s.makeRoom(added.address) {
		return nil
	}
	added.open, added.end = context.WithCancel(context.Background())
	s.open[added] = struct{}{}
	if added.address.IsValid() {
		a, ok := s.addresses[added.address]
		if !ok {
			a = new(socketsOf)
			s.addresses[added.address] = a
		}
		a.open++
	}
	s.wait(added)
	s.metrics.SocketsOpen(len(s.open))
	return added
}

// addressOf returns the address that is limited, invalid if there is none.
func (s *sockets) addressOf(conn net.Conn) netip.Addr {
	remote, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok || s.limits.perAddress == 0 {
		return netip.Addr{}
	}
	addr := remote.AddrPort().Addr().Unmap()
	if s.limits.proxies.Trusts(addr) {
		return netip.Addr{}
	}
	return admission.NetworkOf(addr)
}

// makeRoom closes waiting sockets until the limits allow one more of the address. It returns false if that is
// impossible. The caller must hold mu, as for all methods below that begin in lower case, except changed.
func (s *sockets) makeRoom(address netip.Addr) bool {
	if a, ok := s.addresses[address]; ok && a.open >= s.limits.perAddress && !s.evict(&a.waiting, metrics.SocketsAddress) {
		return false
	}
	return s.limits.total == 0 || len(s.open)+s.limits.streams() < s.limits.total || s.evict(s.waiting, metrics.SocketsTotal)
}

// evict closes the socket that has waited for the longest time. It returns false if none waits.
func (s *sockets) evict(waiting *list.List, limit metrics.SocketLimit) bool {
	s.log(limit)
	oldest := waiting.Front()
	if oldest == nil {
		s.metrics.SocketRefused(limit)
		return false
	}
	s.metrics.SocketEvicted(limit)
	evicted := oldest.Value.(*socket)
	s.remove(evicted)
	_ = evicted.Close() // net/http notices
	return true
}

// log reports that a limit is reached, at most once a minute.
func (s *sockets) log(limit metrics.SocketLimit) {
	if now := time.Now(); now.Sub(s.loggedAt) >= time.Minute {
		s.loggedAt = now
		s.logger.Warn("limit of sockets reached, closing those without a request", "limit", limit, "sockets", len(s.open), "streams", s.limits.streams())
	}
}

// flooded reports that a client floods its socket, in the log output at most once a minute.
func (s *sockets) flooded(client net.Addr) {
	s.metrics.SocketFlooded()
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Sub(s.floodedAt) >= time.Minute {
		s.floodedAt = now
		s.logger.Warn("closing sockets whose clients send much more than their requests account for", "remote", client.String())
	}
}

// wait records that a socket has no request.
func (s *sockets) wait(w *socket) {
	w.since = time.Now()
	w.inAll = s.waiting.PushBack(w)
	if a, ok := s.addresses[w.address]; ok {
		w.inAddress = a.waiting.PushBack(w)
	}
}

// stopWaiting records that a socket has a request or is closed.
func (s *sockets) stopWaiting(w *socket) {
	if w.inAll == nil {
		return
	}
	s.waiting.Remove(w.inAll)
	if w.inAddress != nil {
		s.addresses[w.address].waiting.Remove(w.inAddress)
	}
	w.inAll, w.inAddress = nil, nil
}

// remove forgets a socket.
func (s *sockets) remove(w *socket) {
	s.stopWaiting(w)
	delete(s.open, w)
	if a, ok := s.addresses[w.address]; ok {
		if a.open--; a.open == 0 {
			delete(s.addresses, w.address)
		}
	}
	s.metrics.SocketsOpen(len(s.open))
}

// run closes sockets that are without a request for too long, until ctx ends.
func (s *sockets) run(ctx context.Context) {
	tick := time.NewTicker(idleTimeout / 16)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s.closeIdle(now.Add(-idleTimeout))
		case <-ctx.Done():
			return
		}
	}
}

// closeIdle closes the sockets that have had no request since the given time.
func (s *sockets) closeIdle(since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		oldest := s.waiting.Front()
		if oldest == nil || oldest.Value.(*socket).since.After(since) {
			return
		}
		idle := oldest.Value.(*socket)
		s.remove(idle)
		_ = idle.Close() // net/http notices
	}
}

// changed implements http.Server.ConnState.
func (s *sockets) changed(conn net.Conn, state http.ConnState) {
	w := socketOf(conn)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.open[w]; !ok {
		return // evicted
	}
	switch state {
	case http.StateNew: // admit has counted it
	case http.StateActive:
		w.isBusy.Store(true)
		s.stopWaiting(w)
	case http.StateIdle:
		w.isBusy.Store(false)
		s.stopWaiting(w)
		s.wait(w)
	case http.StateHijacked, http.StateClosed:
		s.remove(w)
	}
}

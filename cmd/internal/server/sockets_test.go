package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/metrics"
)

// socketServer serves with limits of sockets. A request for /busy is answered once release is closed.
type socketServer struct {
	*testing.T
	addr    string
	metrics *metrics.Metrics
	sockets *sockets
	busy    chan struct{} // receives a value when a request for /busy begins
	release chan struct{}
	streams atomic.Int64
}

func newSocketServer(t *testing.T, limits socketLimits) *socketServer {
	t.Helper()
	return newSocketServerWith(t, limits, memoryWithoutCgroup, func(*httpServer) {})
}

func newSocketServerWith(t *testing.T, limits socketLimits, budget int64, change func(*httpServer)) *socketServer {
	t.Helper()
	s := &socketServer{T: t, metrics: metrics.New(""), busy: make(chan struct{}, 100), release: make(chan struct{})}
	limits.streams = func() int { return int(s.streams.Load()) }
	s.sockets = newSockets(limits, s.metrics, slog.New(slog.DiscardHandler))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	server, err := Listen{H2C: true}.httpServer(s.sockets, budget, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server.handle(http.HandlerFunc(s.answer))
	change(server)
	var running sync.WaitGroup
	running.Go(func() {
		if err := server.serve(s.sockets.listener(l)); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		_ = server.Close()
		running.Wait()
	})
	return s
}

// dial connects from a loopback address.
func (s *socketServer) dial(from string) *socketClient {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.DialContext(ctx, "tcp", s.addr)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		s.Fatal(err)
	}
	return &socketClient{T: s.T, server: s, Conn: conn, in: bufio.NewReader(conn)}
}

type socketClient struct {
	*testing.T
	net.Conn
	server *socketServer
	in     *bufio.Reader
}

// get sends a request and reads the response, nil if the server has closed the socket.
func (c *socketClient) get(path string) *http.Response {
	c.Helper()
	c.request(path)
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil
	}
	_, _ = io.Copy(io.Discard, response.Body)
	return response
}

func (c *socketClient) request(path string) {
	_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

// works reports whether the server answers a request on the socket. It waits until the server knows that the socket has no
// request any more, which is after the response.
func (c *socketClient) works() bool {
	if c.get("/") == nil {
		return false
	}
	c.server.await("a socket to be idle", func() bool { return c.server.isWaiting(c.LocalAddr().String()) })
	return true
}

// beBusy sends a request and waits until the server handles it.
func (c *socketClient) beBusy() {
	c.Helper()
	c.request("/busy")
	select {
	case <-c.server.busy:
	case <-time.After(time.Minute):
		c.Fatal("the request of a busy socket is not handled")
	}
}

// isWaiting reports whether the socket of a client has no request.
func (s *socketServer) isWaiting(client string) bool {
	s.sockets.mu.Lock()
	defer s.sockets.mu.Unlock()
	for w := range s.sockets.open {
		if w.RemoteAddr().String() == client {
			return w.inAll != nil
		}
	}
	return false
}

// await polls until a condition holds.
func (s *socketServer) await(what string, holds func() bool) {
	s.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			s.Fatalf("waited for %s", what)
		}
	}
}

// awaitClosed waits until the server closes the socket.
func (c *socketClient) awaitClosed() {
	c.Helper()
	if _, err := c.in.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.Errorf("the socket is still open: %v", err)
	}
}

// count returns the value of a metric.
func (s *socketServer) count(series string) string {
	s.Helper()
	w := httptest.NewRecorder()
	s.metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	found := regexp.MustCompile(`(?m)^pgherald_` + regexp.QuoteMeta(series) + ` (.*)$`).FindStringSubmatch(w.Body.String())
	if found == nil {
		s.Fatalf("no metric %s in\n%s", series, w.Body)
	}
	return found[1]
}

// Sockets without a request make room, in the order in which they have waited: idle ones, ones that have sent nothing, and
// ones whose headers are not complete.
func TestWaitingSocketsMakeRoom(t *testing.T) {
	s := newSocketServer(t, socketLimits{total: 3})
	silent := s.dial("127.0.0.1")
	idle := s.dial("127.0.0.1")
	if !idle.works() {
		t.Fatal("an idle socket does not work")
	}
	slow := s.dial("127.0.0.1")
	_, _ = io.WriteString(slow, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
	// A socket is counted when it is accepted, and sockets are accepted in order.
	for i, oldest := range []*socketClient{silent, idle, slow} {
		if c := s.dial("127.0.0.1"); !c.works() {
			t.Fatalf("new socket %d is not served", i)
		}
		oldest.awaitClosed()
	}
	if got := s.count(`sockets_evicted_total{limit="total"}`); got != "3" {
		t.Errorf("%s sockets were evicted, want 3", got)
	}
}

// Sockets with a request are never closed for another.
func TestBusySocketsAreNotClosed(t *testing.T) {
	s := newSocketServer(t, socketLimits{total: 2})
	busy := []*socketClient{s.dial("127.0.0.1"), s.dial("127.0.0.1")}
	for _, c := range busy {
		c.beBusy()
	}
	s.dial("127.0.0.1").awaitClosed()
	if got := s.count(`sockets_refused_total{limit="total"}`); got != "1" {
		t.Errorf("%s sockets were refused, want 1", got)
	}
	close(s.release)
	for _, c := range busy {
		if _, err := http.ReadResponse(c.in, nil); err != nil {
			t.Errorf("a busy socket: %v", err)
		}
		s.await("a socket to be idle", func() bool { return s.isWaiting(c.LocalAddr().String()) })
	}
	if !s.dial("127.0.0.1").works() {
		t.Error("a socket that is idle again makes no room")
	}
}

// A socket that has no request for too long is closed, whether it is new or has had one, and a busy one is not.
func TestIdleSocketsAreClosed(t *testing.T) {
	s := newSocketServer(t, socketLimits{})
	fresh, idle, busy := s.dial("127.0.0.1"), s.dial("127.0.0.1"), s.dial("127.0.0.1")
	if !idle.works() {
		t.Fatal("a new socket is not served")
	}
	busy.beBusy()
	s.sockets.closeIdle(time.Now().Add(-time.Hour))
	if !idle.works() {
		t.Error("a socket was closed too early")
	}
	s.sockets.closeIdle(time.Now())
	fresh.awaitClosed()
	idle.awaitClosed()
	close(s.release)
	if _, err := http.ReadResponse(busy.in, nil); err != nil {
		t.Errorf("a busy socket: %v", err)
	}
}

// One address cannot take the sockets of others, and its own idle ones make room for its new ones.
func TestSocketsOfOneAddress(t *testing.T) {
	s := newSocketServer(t, socketLimits{total: 10, perAddress: 2})
	other := s.dial("127.0.0.2")
	var own []*socketClient
	for range 5 {
		c := s.dial("127.0.0.1")
		if !c.works() {
			t.Fatal("a new socket is not served")
		}
		own = append(own, c)
	}
	for _, c := range own[:3] {
		c.awaitClosed()
	}
	for _, c := range own[3:] {
		c.beBusy()
	}
	s.dial("127.0.0.1").awaitClosed()
	if !other.works() || !s.dial("127.0.0.3").works() {
		t.Error("the limit of one address closes the socket of another")
	}
	if evicted, refused := s.count(`sockets_evicted_total{limit="address"}`), s.count(`sockets_refused_total{limit="address"}`); evicted != "3" || refused != "1" {
		t.Errorf("%s sockets were evicted, %s refused, want 3 and 1", evicted, refused)
	}
	close(s.release)
}

// All clients of a proxy share its address.
func TestProxiesAreExemptFromTheLimitOfAnAddress(t *testing.T) {
	proxies := admission.Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	s := newSocketServer(t, socketLimits{perAddress: 1, proxies: proxies})
	var all []*socketClient
	for range 5 {
		all = append(all, s.dial("127.0.0.1"))
	}
	for _, c := range all {
		if !c.works() {
			t.Error("a socket of the proxy was closed")
		}
	}
}

// The sockets of streams that left net/http count, and so do those that have ended not.
func TestSocketsOfStreamsCount(t *testing.T) {
	s := newSocketServer(t, socketLimits{total: 3})
	s.streams.Store(2)
	first := s.dial("127.0.0.1")
	if !first.works() || !s.dial("127.0.0.1").works() {
		t.Fatal("a socket within the limit is not served")
	}
	first.awaitClosed()
	s.streams.Store(0)
	kept := []*socketClient{s.dial("127.0.0.1"), s.dial("127.0.0.1")}
	for _, c := range kept {
		if !c.works() {
			t.Error("a socket within the limit was closed")
		}
	}
}

// The counts return to zero when sockets close, on HTTP/1 and HTTP/2, whichever side closes them.
func TestSocketsAreForgotten(t *testing.T) {
	s := newSocketServer(t, socketLimits{total: 100, perAddress: 2})
	for range 10 {
		c := s.dial("127.0.0.1")
		if !c.works() {
			t.Fatal("a new socket is not served")
		}
		_ = c.Close()
		transport := &http.Transport{Protocols: new(http.Protocols)}
		transport.Protocols.SetUnencryptedHTTP2(true)
		response, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Get("http://" + s.addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		transport.CloseIdleConnections()
	}
	s.await("the sockets to be forgotten", func() bool { return s.count("sockets") == "0" })
	s.sockets.mu.Lock()
	defer s.sockets.mu.Unlock()
	if len(s.sockets.open)+len(s.sockets.addresses)+s.sockets.waiting.Len() > 0 {
		t.Errorf("sockets are left: %+v", s.sockets)
	}
}

func TestAddressesOfOneNetworkAreOne(t *testing.T) {
	s := newSockets(socketLimits{perAddress: 1}, metrics.New(""), slog.New(slog.DiscardHandler))
	for addr, want := range map[string]string{
		"192.0.2.7:1": "192.0.2.7", "[::ffff:192.0.2.7]:1": "192.0.2.7", "[2001:db8:1:2:3:4:5:6]:1": "2001:db8:1:2::", "[fe80::1%eth0]:1": "fe80::",
	} {
		if got := s.addressOf(remoteConn{addr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))}); got.String() != want {
			t.Errorf("%s counts as %s, want %s", addr, got, want)
		}
	}
}

type remoteConn struct {
	net.Conn
	addr net.Addr
}

func (c remoteConn) RemoteAddr() net.Addr { return c.addr }

func TestDefaultLimitsLeaveFilesForTheDatabase(t *testing.T) {
	files := MaxFiles()
	if files == 0 {
		t.Skip("this system has no limit of files")
	}
	limits := Limits{}.sockets()
	if limits.total > files-reservedFiles || limits.perAddress != limits.total/2 {
		t.Errorf("%d sockets, %d of one address, with %d files", limits.total, limits.perAddress, files)
	}
	if limits := (Limits{Sockets: 10, SocketsPerAddress: 7}).sockets(); limits.total != 10 || limits.perAddress != 7 {
		t.Errorf("the settings are ignored: %+v", limits)
	}
	if err := (Limits{Sockets: -1, Origins: []string{"*"}}).validate(); err == nil || !strings.Contains(err.Error(), "--max-sockets ") {
		t.Errorf("error %v", err)
	}
}

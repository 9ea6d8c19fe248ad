package pgtest

import (
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Proxy forwards TCP connections from clients to a server and breaks them on demand. A new proxy only forwards.
// All methods are safe for concurrent use and also affect open connections.
type Proxy struct {
	target   string
	listener net.Listener
	wg       sync.WaitGroup // the accept loop and every goroutine of every link

	mu     sync.Mutex
	links  map[*link]struct{}
	gate   chan struct{} // closed while traffic passes
	refuse bool
	delay  time.Duration
	// left is how many bytes of the server still pass until the next cut, if isCounting; until a black hole, if holds.
	left       int
	isCounting bool
	holds      bool
}

// NewProxy starts a proxy on a free port in front of target, a host:port. The proxy ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: target, listener: listener, links: make(map[*link]struct{}), gate: make(chan struct{})}
	close(p.gate)
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.Refuse(true) // the accept loop may still hold a new connection
		p.Cut()
		Within(t, "the end of a proxy's connections", p.wg.Wait)
	})
	return p
}

// NewProxyOf starts a proxy in front of the server of a database URL: see URL.
func NewProxyOf(t testing.TB, databaseURL string) *Proxy {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	return NewProxy(t, u.Host)
}

// Addr returns the host:port of the proxy.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// URL returns databaseURL with the host and port of the proxy.
func (p *Proxy) URL(databaseURL string) string {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return databaseURL // connecting to it reports the error
	}
	u.Host = p.Addr()
	return u.String()
}

// Cut resets all connections, on both sides. The proxy still accepts new ones.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut()
	}
}

// CutAfter cuts all connections once n more bytes from the server have passed. A result that is larger arrives in part.
// Afterwards the proxy only forwards; a negative n ends the counting too.
func (p *Proxy) CutAfter(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left, p.isCounting, p.holds = n, n >= 0, false
}

// BlackholeAfter holds all traffic back once n more bytes from the server have come, as Blackhole does. So a test can freeze a server
// at any moment of a conversation.
func (p *Proxy) BlackholeAfter(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left, p.isCounting, p.holds = n, true, true
}

// IsBlackhole reports whether the proxy holds all traffic back.
func (p *Proxy) IsBlackhole() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.passes()
}

// passes reports whether traffic passes. The caller must hold mu.
func (p *Proxy) passes() bool {
	select {
	case <-p.gate:
		return true
	default:
		return false
	}
}

// spend returns how many of n bytes of the server may pass, and whether a cut follows.
func (p *Proxy) spend(n int) (pass int, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.isCounting {
		return n, false
	}
	if p.left -= n; p.left > 0 {
		return n, false
	}
	p.isCounting = false
	if p.holds {
		p.hold()
		return n, false
	}
	return n + p.left, true
}

// hold begins a black hole. The caller must hold mu.
func (p *Proxy) hold() {
	if p.passes() {
		p.gate = make(chan struct{})
	}
}

// Blackhole holds all traffic back while on is true. Connections stay open, and the proxy accepts new ones.
// With on false it delivers the traffic held back, as a TCP retransmission would.
func (p *Proxy) Blackhole(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if on {
		p.hold()
	} else if !p.passes() {
		close(p.gate)
	}
}

// Refuse makes the proxy reset new connections at once. Open ones stay open.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = on
}

// Delay delays all traffic by d in each direction.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		l := &link{client: conn.(*net.TCPConn), done: make(chan struct{})}
		p.mu.Lock()
		if p.refuse {
			l.cut()
		} else {
			p.links[l] = struct{}{}
			p.wg.Go(func() { p.serve(l) })
		}
		p.mu.Unlock()
	}
}

func (p *Proxy) serve(l *link) {
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		l.close() // a cut would discard data in flight
		delete(p.links, l)
	}()
	if !p.pass(l) {
		return
	}
	conn, err := net.DialTimeout("tcp", p.target, stepTimeout)
	if err != nil || !p.join(l, conn.(*net.TCPConn)) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.pump(l, l.server, l.client) })
	both.Go(func() { p.pump(l, l.client, l.server) })
	both.Wait()
}

// join adds the server's connection to a link. It returns false if the link was cut in the meantime.
func (p *Proxy) join(l *link, server *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.server = server
	if l.isCut() {
		_ = server.Close()
		return false
	}
	return true
}

// pump copies one direction until its end and forwards the end. An error resets both connections.
func (p *Proxy) pump(l *link, to, from *net.TCPConn) {
	buf := make([]byte, 32<<10)
	for {
		n, readErr := from.Read(buf)
		isLast := false
		if from == l.server {
			n, isLast = p.spend(n)
		}
		if !p.pass(l) {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil || readErr != nil && !errors.Is(readErr, io.EOF) {
			p.mu.Lock()
			l.cut()
			p.mu.Unlock()
			return
		}
		if isLast {
			p.finish(l)
			return
		}
		if readErr != nil {
			_ = to.CloseWrite()
			return
		}
	}
}

// finish cuts all connections. Its own one ends without a reset, which would discard what was written last.
func (p *Proxy) finish(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.close()
	for other := range p.links {
		other.cut()
	}
}

// pass waits until traffic may pass. It returns false if the link is cut before.
func (p *Proxy) pass(l *link) bool {
	p.mu.Lock()
	timer := time.NewTimer(p.delay)
	p.mu.Unlock()
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.done:
		return false
	}
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	select {
	case <-gate:
		return !l.isCut()
	case <-l.done:
		return false
	}
}

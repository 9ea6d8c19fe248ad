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

// Proxy stands between a client and a server and breaks what is between them.
// It begins as a faithful one. Its methods may be called at any time, from any
// goroutine, and hold for connections that are open already.
type Proxy struct {
	target   string
	listener net.Listener
	wg       sync.WaitGroup // the accept loop and every goroutine of every link

	mu     sync.Mutex
	links  map[*link]struct{}
	gate   chan struct{} // closed while traffic may pass
	refuse bool
	delay  time.Duration
}

// NewProxy starts a proxy on a port of its own in front of target, a
// host:port. It ends with the test.
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
		p.Refuse(true) // one that was accepted just now must not stay
		p.Cut()
		p.wg.Wait()
	})
	return p
}

// Addr is the host:port to connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// URL is databaseURL with the proxy in the place of its host and port.
func (p *Proxy) URL(databaseURL string) string {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return databaseURL // whoever connects will say what is wrong with it
	}
	u.Host = p.Addr()
	return u.String()
}

// Cut resets all connections, on both sides. New ones are welcome.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut()
	}
}

// Blackhole makes the network swallow everything, without a word to anyone:
// connections stay open and new ones are accepted. When it is turned off, what
// was under way arrives, as after TCP's retransmission.
func (p *Proxy) Blackhole(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gate:
		if on {
			p.gate = make(chan struct{})
		}
	default:
		if !on {
			close(p.gate)
		}
	}
}

// Refuse makes the proxy reset new connections at once. Open ones stay.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = on
}

// Delay holds everything that passes, in either direction, for d.
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
		l.close() // and not cut: what is under way to either side has to arrive
		delete(p.links, l)
	}()
	if !p.pass(l) {
		return
	}
	conn, err := net.DialTimeout("tcp", p.target, patience)
	if err != nil || !p.join(l, conn.(*net.TCPConn)) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.pump(l, l.server, l.client) })
	both.Go(func() { p.pump(l, l.client, l.server) })
	both.Wait()
}

// join adds the server's side to a link, which may have been cut meanwhile.
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

// pump copies one direction, and passes its end on. An error ends both, with a
// reset, as it came.
func (p *Proxy) pump(l *link, to, from *net.TCPConn) {
	buf := make([]byte, 32<<10)
	for {
		n, readErr := from.Read(buf)
		if !p.pass(l) {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil || readErr != nil && !errors.Is(readErr, io.EOF) {
			p.mu.Lock()
			l.cut()
			p.mu.Unlock()
			return
		}
		if readErr != nil {
			_ = to.CloseWrite()
			return
		}
	}
}

// pass waits until traffic may pass; it is false if the link was cut first.
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

// link is one connection through the proxy. Its fields are guarded by the
// proxy's mutex, except that pumps use the connections, which are set by then.
type link struct {
	client, server *net.TCPConn // server is nil until it is dialled
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

// cut closes with a reset: with no time to linger, the system sends no FIN and
// throws away what was under way.
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

// open returns the connections that are there and not closed by us.
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

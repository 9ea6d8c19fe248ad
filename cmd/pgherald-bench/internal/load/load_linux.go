package load

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// readBuffer is the size of the buffer that all connections of a process share.
const readBuffer = 256 << 10

// connectionsPerSource limits the connections from one address. When most ports of an address are taken,
// the kernel searches long for a free one.
const connectionsPerSource = 4000

// loop is the state of a client process. One goroutine uses it.
type loop struct {
	config     config
	target     unix.SockaddrInet4
	source     unix.SockaddrInet4 // the first of several, see sourceAddr
	poll       int                // epoll descriptor
	conns      []*client          // by descriptor
	opened     int                // connections so far
	connecting int                // connections whose stream has not begun yet
	buf        []byte
	orders     chan order
	answers    *json.Encoder
	keys       keys
	tally      tally
	status     Status
}

// Run is a client process: it carries out orders from in until in ends.
func Run(text string, in io.Reader, out io.Writer) error {
	l := &loop{buf: make([]byte, readBuffer), orders: make(chan order), answers: json.NewEncoder(out)}
	if err := json.Unmarshal([]byte(text), &l.config); err != nil {
		return fmt.Errorf("read the configuration of the load: %w", err)
	}
	l.keys = keys{n: []byte(l.config.KeyN), sent: []byte(l.config.KeySent)}
	var err error
	if l.target, err = sockaddr(l.config.Addr); err != nil {
		return err
	}
	if l.source, err = sockaddr(l.config.Source + ":0"); err != nil {
		return err
	}
	if l.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("create an epoll instance: %w", err)
	}
	go readOrders(in, l.orders)
	return l.run()
}

func sockaddr(addr string) (unix.SockaddrInet4, error) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil || !a.Addr().Is4() || !a.Addr().IsLoopback() {
		return unix.SockaddrInet4{}, fmt.Errorf("make load on %s: it is not an IPv4 address of loopback", addr)
	}
	return unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}, nil
}

func readOrders(in io.Reader, orders chan<- order) {
	defer close(orders)
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var o order
		if json.Unmarshal(lines.Bytes(), &o) != nil {
			return
		}
		orders <- o
	}
}

// run serves sockets and orders until the orders end. It looks for an order at least every 10 ms.
func (l *loop) run() error {
	events := make([]unix.EpollEvent, 512)
	opening := false
	for {
		select {
		case o, ok := <-l.orders:
			if !ok {
				return nil
			}
			opening = opening || o.Do == orderOpen
			if err := l.execute(o); err != nil {
				return err
			}
		default:
		}
		if opening {
			l.open()
		}
		n, err := unix.EpollWait(l.poll, events, 10)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for sockets: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			l.serve(l.conns[e.Fd], e.Events)
		}
	}
}

// execute carries out an order and answers it.
func (l *loop) execute(o order) error {
	switch o.Do {
	case orderOpen:
		l.status.OpenedAt = time.Now().UnixMicro()
	case orderMark:
		l.tally = tally{base: o.First}
		for _, c := range l.conns {
			if c != nil {
				c.count, c.sum = 0, 0
			}
		}
	case orderReport:
		return l.answers.Encode(l.report(o.First, o.Last))
	}
	return l.answers.Encode(l.currentStatus())
}

func (l *loop) currentStatus() Status {
	s := l.status
	s.Received, s.Bytes, s.ArrivedAt = l.tally.received, l.tally.bytes, l.tally.arrivedAt
	return s
}

func (l *loop) report(first, last int64) Report {
	n := last - first + 1
	r := Report{Status: l.currentStatus(), Latency: l.tally.latency.Pack(), Sent: l.tally.sent, First: l.tally.first, Last: l.tally.last}
	for _, c := range l.conns {
		if c != nil && c.count == n && c.sum == n*(first+last)/2 {
			r.Complete++
		}
	}
	return r
}

// open starts connections up to the limit on simultaneous connects.
func (l *loop) open() {
	for l.connecting < l.config.Connecting && l.opened < l.config.Connections {
		l.opened++
		if err := l.connect(); err != nil {
			l.recordFailure(err)
		}
	}
}

func (l *loop) recordFailure(err error) {
	l.status.Failed++
	l.status.Error = err.Error()
}

// sourceAddr returns the address for the next connection.
func (l *loop) sourceAddr() *unix.SockaddrInet4 {
	source := l.source
	source.Addr[3] += byte(l.opened / connectionsPerSource)
	return &source
}

func (l *loop) connect() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) // saves ports
	if err := unix.Bind(fd, l.sourceAddr()); err != nil {
		return errors.Join(fmt.Errorf("bind to %s: %w", l.config.Source, err), unix.Close(fd))
	}
	if err := unix.Connect(fd, &l.target); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return errors.Join(fmt.Errorf("connect to %s: %w", l.config.Addr, err), unix.Close(fd))
	}
	for len(l.conns) <= fd {
		l.conns = append(l.conns, nil)
	}
	l.conns[fd] = &client{fd: fd, http2: l.config.Streams > 0}
	l.connecting++
	return unix.EpollCtl(l.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Fd: int32(fd), Events: unix.EPOLLOUT})
}

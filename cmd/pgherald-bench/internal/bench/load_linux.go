package bench

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

// readBuffer is shared by all connections of a load process: what a client costs should be the
// kernel's part alone.
const readBuffer = 256 << 10

// load is a process full of clients: one loop that waits in epoll, reads what there is, and
// counts. It speaks when it is asked.
type load struct {
	config  loadConfig
	target  unix.SockaddrInet4
	source  unix.SockaddrInet4 // the first of them, see bindTo
	poll    int
	conns   []*client // by descriptor
	opened  int
	pending int
	buf     []byte
	orders  chan loadOrder
	answers *json.Encoder
	keys    keys
	tally   tally
	status  loadStatus
}

// runLoad serves orders from in until it ends.
func runLoad(text string, in io.Reader, out io.Writer) error {
	l := &load{buf: make([]byte, readBuffer), orders: make(chan loadOrder), answers: json.NewEncoder(out)}
	if err := json.Unmarshal([]byte(text), &l.config); err != nil {
		return fmt.Errorf("read what load to make: %w", err)
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
		return fmt.Errorf("make an epoll instance: %w", err)
	}
	go readOrders(in, l.orders)
	return l.loop()
}

func sockaddr(addr string) (unix.SockaddrInet4, error) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil || !a.Addr().Is4() || !a.Addr().IsLoopback() {
		return unix.SockaddrInet4{}, fmt.Errorf("make load on %s: it is no IPv4 address of loopback", addr)
	}
	return unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}, nil
}

func readOrders(in io.Reader, orders chan<- loadOrder) {
	defer close(orders)
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var o loadOrder
		if json.Unmarshal(lines.Bytes(), &o) != nil {
			return
		}
		orders <- o
	}
}

// loop ends when there will be no more orders. It looks for them at least every 10 ms.
func (l *load) loop() error {
	events := make([]unix.EpollEvent, 512)
	opening := false
	for {
		select {
		case o, ok := <-l.orders:
			if !ok {
				return nil
			}
			opening = opening || o.Do == "open"
			if err := l.obey(o); err != nil {
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

func (l *load) obey(o loadOrder) error {
	switch o.Do {
	case "open":
		l.status.OpenedAt = time.Now().UnixMicro()
	case "mark":
		l.tally = tally{base: o.First}
		for _, c := range l.conns {
			if c != nil {
				c.count, c.sum = 0, 0
			}
		}
	case "report":
		return l.answers.Encode(l.report(o.First, o.Last))
	}
	return l.answers.Encode(l.now())
}

func (l *load) now() loadStatus {
	s := l.status
	s.Received, s.Bytes, s.ArrivedAt = l.tally.received, l.tally.bytes, l.tally.arrivedAt
	return s
}

func (l *load) report(first, last int64) loadReport {
	n := last - first + 1
	r := loadReport{loadStatus: l.now(), Latency: l.tally.latency.pack(), First: l.tally.first, Last: l.tally.last}
	for _, c := range l.conns {
		if c != nil && c.count == n && c.sum == n*(first+last)/2 {
			r.Complete++
		}
	}
	return r
}

// open begins as many connections as may be pending.
func (l *load) open() {
	for l.pending < l.config.Pending && l.opened < l.config.Connections {
		l.opened++
		if err := l.connect(); err != nil {
			l.failed(err)
		}
	}
}

func (l *load) failed(err error) {
	l.status.Failed++
	l.status.Error = err.Error()
}

// perSource is how many connections come from one address: when most of an address's ports are
// taken, the kernel looks long for a free one.
const perSource = 4000

func (l *load) bindTo() *unix.SockaddrInet4 {
	source := l.source
	source.Addr[3] += byte(l.opened / perSource)
	return &source
}

func (l *load) connect() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) // only saves ports
	if err := unix.Bind(fd, l.bindTo()); err != nil {
		return errors.Join(fmt.Errorf("bind to %s: %w", l.config.Source, err), unix.Close(fd))
	}
	if err := unix.Connect(fd, &l.target); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return errors.Join(fmt.Errorf("connect to %s: %w", l.config.Addr, err), unix.Close(fd))
	}
	for len(l.conns) <= fd {
		l.conns = append(l.conns, nil)
	}
	l.conns[fd] = &client{fd: fd, http2: l.config.Streams > 0}
	l.pending++
	return unix.EpollCtl(l.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Fd: int32(fd), Events: unix.EPOLLOUT})
}

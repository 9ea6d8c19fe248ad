package sse

import (
	"errors"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller waits for events of all shards' sockets: a socket became writable, or its peer closed it.
type poller struct {
	epoll  int
	stopFD int // an eventfd that makes the wait return

	mu      sync.Mutex
	clients []*client // by descriptor, guarded by mu; descriptors are small numbers
}

const interest = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

func newPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	stopFD, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, errors.Join(err, unix.Close(epoll))
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(stopFD)}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, stopFD, &event); err != nil {
		return nil, errors.Join(err, unix.Close(stopFD), unix.Close(epoll))
	}
	return &poller{epoll: epoll, stopFD: stopFD}, nil
}

// add registers the client's socket.
func (p *poller) add(c *client) error {
	p.mu.Lock()
	for len(p.clients) <= int(c.fd) {
		p.clients = append(p.clients, nil)
	}
	p.clients[c.fd] = c
	p.mu.Unlock()
	event := unix.EpollEvent{Events: interest, Fd: c.fd}
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, int(c.fd), &event); err != nil {
		p.forget(c)
		return err
	}
	return nil
}

// remove unregisters the client's socket and closes it. EpollWait may already have returned an event for
// it. dispatch then finds no client, or a new client with the same descriptor; it checks the socket
// before it reports that the peer has closed it.
func (p *poller) remove(c *client) {
	p.forget(c)
	_ = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, int(c.fd), nil)
	_ = unix.Close(int(c.fd))
}

func (p *poller) forget(c *client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clients[c.fd] = nil
}

// run dispatches events until stop.
func (p *poller) run() {
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(p.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return // the descriptor is invalid: impossible before close
		}
		for _, event := range events[:max(n, 0)] {
			if int(event.Fd) == p.stopFD {
				return
			}
			p.dispatch(event)
		}
	}
}

func (p *poller) dispatch(event unix.EpollEvent) {
	p.mu.Lock()
	c := p.clients[event.Fd]
	p.mu.Unlock()
	if c == nil {
		return
	}
	const end = unix.EPOLLHUP | unix.EPOLLRDHUP | unix.EPOLLERR
	if event.Events&end != 0 && isPeerClosed(int(c.fd)) {
		c.onPeerClosed()
	} else if event.Events&unix.EPOLLOUT != 0 {
		c.onWritable()
	}
}

// stop makes run return.
func (p *poller) stop() {
	_, _ = unix.Write(p.stopFD, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

func (p *poller) close() {
	_ = unix.Close(p.stopFD)
	_ = unix.Close(p.epoll)
}

// send sends as many bytes as the socket has room for. It never blocks: for a full socket it returns
// EAGAIN. It is a raw system call, which bypasses Go's scheduler. An ordinary one costs more than twice
// the call's own overhead, and lets the runtime's monitor take the processor away at every second send.
func send(fd int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
		uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// isPeerClosed reports whether the peer has closed the connection, at least for writing.
func isPeerClosed(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&(unix.POLLHUP|unix.POLLRDHUP|unix.POLLERR|unix.POLLNVAL) != 0
}

// stopwatch measures processor time. On a busy machine, most of the time that passes may belong to
// other threads.
type stopwatch struct {
	began time.Time
	cpu   time.Duration // of this thread
}

func startStopwatch() stopwatch { return stopwatch{time.Now(), threadTime()} }

// cost returns the processor time since the start. If that is not known, as when the goroutine has moved
// to another thread, it returns the elapsed time.
func (w stopwatch) cost(now time.Time) time.Duration {
	passed := now.Sub(w.began)
	if used := threadTime() - w.cpu; used > 0 && used < passed {
		return used
	}
	return passed
}

// threadTime returns the processor time that the thread has used.
func threadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

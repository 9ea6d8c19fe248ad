package sse

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"
)

// poller waits for what happens to the sockets of all shards: room for more bytes, or an end.
type poller struct {
	epoll int
	waker int // an eventfd that makes the wait return, for stop

	mu      sync.Mutex
	clients []*client // by file descriptor, which are small numbers
}

const interest = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

func newPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	waker, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, errors.Join(err, unix.Close(epoll))
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(waker)}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, waker, &event); err != nil {
		return nil, errors.Join(err, unix.Close(waker), unix.Close(epoll))
	}
	return &poller{epoll: epoll, waker: waker}, nil
}

// add begins to watch the client's socket.
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

// remove ends that, and closes the socket. An event of it that is under way by then finds nobody,
// or somebody new with the same descriptor, whose socket then says that it has not ended.
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

// run passes on events until stop.
func (p *poller) run() {
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(p.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return // the descriptor is not one: cannot happen while we run
		}
		for _, event := range events[:max(n, 0)] {
			if int(event.Fd) == p.waker {
				return
			}
			p.pass(event)
		}
	}
}

func (p *poller) pass(event unix.EpollEvent) {
	p.mu.Lock()
	c := p.clients[event.Fd]
	p.mu.Unlock()
	if c == nil {
		return
	}
	const end = unix.EPOLLHUP | unix.EPOLLRDHUP | unix.EPOLLERR
	if event.Events&end != 0 && hungUp(int(c.fd)) {
		c.hungUp()
	} else if event.Events&unix.EPOLLOUT != 0 {
		c.writable()
	}
}

// stop makes run return.
func (p *poller) stop() {
	_, _ = unix.Write(p.waker, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

func (p *poller) close() {
	_ = unix.Close(p.waker)
	_ = unix.Close(p.epoll)
}

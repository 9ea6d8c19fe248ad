package bench

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// client is one connection of a load process.
type client struct {
	fd      int
	asked   bool // the request is sent
	headed  bool // the response's head has come
	ready   bool // the stream has begun
	http2   bool
	streams int // of HTTP/2 that have begun
	chunked bool
	left    int    // of the chunk that is being read, -1: its end of line is
	carry   []byte // of a head, a chunk's length or an HTTP/2 frame that is not complete
	frame   []byte // of an event that is not complete
	count   int64
	sum     int64 // of the numbers of the events
}

// serve does what a socket is ready for.
func (l *load) serve(c *client, events uint32) {
	switch {
	case c == nil:
	case !c.asked:
		l.ask(c)
	case events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0:
		l.read(c)
	}
}

// ask sends the request once the connection stands.
func (l *load) ask(c *client) {
	errno, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = unix.Errno(errno)
	}
	if err == nil {
		_, err = unix.Write(c.fd, l.config.Request) // a new socket has room for it
	}
	if err == nil {
		err = unix.EpollCtl(l.poll, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Fd: int32(c.fd), Events: unix.EPOLLIN})
	}
	if err != nil {
		l.lose(c, fmt.Errorf("connect: %w", err))
		return
	}
	c.asked = true
}

// lose forgets a connection that failed (err) or that the server ended.
func (l *load) lose(c *client, err error) {
	if !c.ready {
		l.pending--
		l.failed(err)
	} else {
		l.status.Closed++
	}
	l.conns[c.fd] = nil
	_ = unix.Close(c.fd)
}

// read reads once: if there is more, epoll says so again.
func (l *load) read(c *client) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(c.fd), uintptr(unsafe.Pointer(&l.buf[0])), uintptr(len(l.buf)))
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return
	case errno != 0:
		l.lose(c, fmt.Errorf("read the response: %w", errno))
		return
	case n == 0:
		l.lose(c, errors.New("the server ended the connection"))
		return
	}
	l.tally.bytes += int64(n)
	l.tally.now = time.Now().UnixMicro()
	if err := l.take(c, l.buf[:n]); err != nil {
		l.lose(c, err)
	}
}

// take passes on what has come: the head first, then the body.
func (l *load) take(c *client, data []byte) error {
	switch {
	case c.http2:
		return l.takeHTTP2(c, data)
	case !c.headed:
		c.carry = append(c.carry, data...)
		end := bytes.Index(c.carry, []byte("\r\n\r\n"))
		if end < 0 {
			return nil
		}
		head, rest := string(c.carry[:end]), c.carry[end+4:]
		c.carry, c.headed = nil, true
		if !strings.HasPrefix(head, "HTTP/1.1 200") {
			return fmt.Errorf("the server answers %q", firstLine(head)+" "+string(rest))
		}
		c.chunked = strings.Contains(strings.ToLower(head), "transfer-encoding: chunked")
		if !l.config.AwaitFrame {
			l.begun(c)
		}
		return l.body(c, rest)
	default:
		return l.body(c, data)
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\r\n")
	return line
}

// begun notes that a stream has begun.
func (l *load) begun(c *client) {
	if !c.ready {
		c.ready = true
		l.pending--
		l.status.Ready++
		l.status.ReadyAt = time.Now().UnixMicro()
	}
}

func (l *load) body(c *client, data []byte) error {
	if c.chunked {
		return l.dechunk(c, data)
	}
	l.events(c, data)
	return nil
}

// dechunk undoes chunked transfer coding.
func (l *load) dechunk(c *client, data []byte) error {
	for len(data) > 0 {
		if c.left > 0 {
			n := min(c.left, len(data))
			l.events(c, data[:n])
			data = data[n:]
			if c.left -= n; c.left == 0 {
				c.left = -1
			}
			continue
		}
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			c.carry = append(c.carry, data...)
			return nil
		}
		c.carry = append(c.carry, data[:end]...)
		data = data[end+1:]
		length, err := chunkLength(c.carry, c.left < 0)
		if err != nil {
			return err
		}
		c.left, c.carry = length, c.carry[:0]
	}
	return nil
}

// chunkLength reads the line before a chunk, or the empty one behind it.
func chunkLength(line []byte, behind bool) (int, error) {
	line = bytes.TrimSuffix(line, []byte("\r"))
	if behind {
		if len(line) > 0 {
			return 0, fmt.Errorf("read a chunk: %q follows it", line)
		}
		return 0, nil
	}
	n := 0
	for _, b := range line {
		digit := strings.IndexByte("0123456789abcdef", b|0x20)
		if digit < 0 || n > 1<<24 {
			return 0, fmt.Errorf("read a chunk: %q is no length", line)
		}
		n = n<<4 | digit
	}
	return n, nil
}

var frameEnd = []byte("\n\n")

// events counts each event that is complete, and keeps what is not.
func (l *load) events(c *client, data []byte) {
	if len(c.frame) > 0 {
		c.frame = append(c.frame, data...)
		data = c.frame
	}
	for {
		end := bytes.Index(data, frameEnd)
		if end < 0 {
			break
		}
		if !c.ready {
			l.begun(c)
		}
		if n, sent, ok := l.keys.parse(data[:end]); ok {
			c.count++
			c.sum += n
			l.tally.add(n, sent)
		}
		data = data[end+2:]
	}
	if len(data) == 0 {
		c.frame = nil
		return
	}
	c.frame = append(c.frame[:0], data...)
}

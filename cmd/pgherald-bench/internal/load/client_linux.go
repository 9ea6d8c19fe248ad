package load

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// client is one connection.
type client struct {
	fd        int
	requested bool // the request is sent
	hasHead   bool // the head of the response has arrived
	ready     bool // the stream has begun
	http2     bool
	streams   int       // HTTP/2 streams that have begun
	chunked   bool      // the body has chunked transfer coding
	inflater  *inflater // nil if the stream is not compressed
	socket    *socket   // nil if it is no WebSocket
	left      int       // bytes of the current chunk to read; -1: its line end follows
	carry     []byte    // incomplete head, chunk length or HTTP/2 frame
	frame     []byte    // incomplete event
	count     int64     // events since mark
	sum       int64     // of their numbers
}

// serve handles the readiness of a socket.
func (l *loop) serve(c *client, events uint32) {
	switch {
	case c == nil:
	case !c.requested:
		l.sendRequest(c)
	case events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0:
		l.read(c)
	}
}

// sendRequest sends the request once the connection is established.
func (l *loop) sendRequest(c *client) {
	errno, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = unix.Errno(errno)
	}
	switch {
	case err != nil:
	case l.config.WebSocket != "":
		c.socket = newSocket(c.fd, l.config.WebSocket, func() { l.markReady(c) }, func(message []byte) { l.event(c, message) })
		err = c.socket.write(nil)
	default:
		_, err = unix.Write(c.fd, l.config.Request) // fits into the buffer of a new socket
	}
	if err == nil {
		err = unix.EpollCtl(l.poll, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Fd: int32(c.fd), Events: unix.EPOLLIN})
	}
	if err != nil {
		l.drop(c, fmt.Errorf("connect: %w", err))
		return
	}
	c.requested = true
}

// drop closes a connection that failed to open (err) or that the server ended.
func (l *loop) drop(c *client, err error) {
	if !c.ready {
		l.connecting--
		l.recordFailure(err)
	} else {
		l.status.Closed++
	}
	if c.inflater != nil {
		c.inflater.stop()
	}
	if c.socket != nil {
		c.socket.stop()
	}
	l.conns[c.fd] = nil
	_ = unix.Close(c.fd)
}

// read reads once. If more is available, epoll reports the socket again.
func (l *loop) read(c *client) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(c.fd), uintptr(unsafe.Pointer(&l.buf[0])), uintptr(len(l.buf)))
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return
	case errno != 0:
		l.drop(c, fmt.Errorf("read the response: %w", errno))
		return
	case n == 0:
		l.drop(c, errors.New("the server ended the connection"))
		return
	}
	l.tally.bytes += int64(n)
	l.tally.now = time.Now().UnixMicro()
	if err := l.consume(c, l.buf[:n]); err != nil {
		l.drop(c, err)
	}
}

// consume parses received bytes: first the head, then the body.
func (l *loop) consume(c *client, data []byte) error {
	switch {
	case c.socket != nil:
		return c.socket.write(data)
	case c.http2:
		return l.consumeHTTP2(c, data)
	case !c.hasHead:
		c.carry = append(c.carry, data...)
		end := bytes.Index(c.carry, []byte("\r\n\r\n"))
		if end < 0 {
			return nil
		}
		head, rest := string(c.carry[:end]), c.carry[end+4:]
		c.carry, c.hasHead = nil, true
		if !strings.HasPrefix(head, "HTTP/1.1 200") {
			return fmt.Errorf("the server answered %q", firstLine(head)+" "+string(rest))
		}
		c.chunked = strings.Contains(strings.ToLower(head), "transfer-encoding: chunked")
		if strings.Contains(strings.ToLower(head), "content-encoding: gzip") {
			c.inflater = newInflater(func(b []byte) { l.events(c, b) })
		}
		if !l.config.AwaitFrame {
			l.markReady(c)
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

// markReady records that a stream has begun.
func (l *loop) markReady(c *client) {
	if !c.ready {
		c.ready = true
		l.connecting--
		l.status.Ready++
		l.status.ReadyAt = time.Now().UnixMicro()
	}
}

func (l *loop) body(c *client, data []byte) error {
	if c.chunked {
		return l.dechunk(c, data)
	}
	return l.decode(c, data)
}

// decode passes bytes of the stream on, decompressed.
func (l *loop) decode(c *client, data []byte) error {
	if c.inflater != nil {
		return c.inflater.write(data)
	}
	l.events(c, data)
	return nil
}

// dechunk removes chunked transfer coding.
func (l *loop) dechunk(c *client, data []byte) error {
	for len(data) > 0 {
		if c.left > 0 {
			n := min(c.left, len(data))
			if err := l.decode(c, data[:n]); err != nil {
				return err
			}
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

// chunkLength parses the line before a chunk, or the empty line after one.
func chunkLength(line []byte, after bool) (int, error) {
	line = bytes.TrimSuffix(line, []byte("\r"))
	if after {
		if len(line) > 0 {
			return 0, fmt.Errorf("read a chunk: %q after its end", line)
		}
		return 0, nil
	}
	n := 0
	for _, b := range line {
		digit := strings.IndexByte("0123456789abcdef", b|0x20)
		if digit < 0 || n > 1<<24 {
			return 0, fmt.Errorf("read a chunk: %q is not a length", line)
		}
		n = n<<4 | digit
	}
	return n, nil
}

var frameEnd = []byte("\n\n")

// events counts complete events and keeps the incomplete rest.
func (l *loop) events(c *client, data []byte) {
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
			l.markReady(c)
		}
		l.event(c, data[:end])
		data = data[end+2:]
	}
	if len(data) == 0 {
		c.frame = nil
		return
	}
	c.frame = append(c.frame[:0], data...)
}

// event counts an event, unless the frame is of the stream itself.
func (l *loop) event(c *client, frame []byte) {
	if n, sent, ok := l.keys.parse(frame); ok {
		c.count++
		c.sum += n
		l.tally.add(n, sent)
	}
}

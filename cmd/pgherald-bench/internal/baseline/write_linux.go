package baseline

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/process"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/writes"
)

// sseHead is the head of a response and the first bytes of its stream.
const sseHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\r\n: hello\n\n"

// plainWriter is the cheapest server without batching: one non-blocking write(2) per event and client. It
// makes up the events itself and knows neither PostgreSQL nor HTTP.
type plainWriter struct {
	mu  sync.Mutex
	fds []int
}

// RunWrite publishes the offers that it reads from in, until in ends.
func RunWrite(ctx context.Context, in io.Reader, out io.Writer) error {
	l, err := process.Listen(out)
	if err != nil {
		return err
	}
	defer l.Close()
	p := &plainWriter{}
	go p.accept(l)
	answers := json.NewEncoder(out)
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var o writes.Offer
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return fmt.Errorf("read an offer: %w", err)
		}
		if err := answers.Encode(writes.Published{Last: p.publish(ctx, o)}); err != nil {
			return err
		}
	}
	return nil
}

func (p *plainWriter) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			if fd, err := begin(conn); err == nil {
				p.mu.Lock()
				p.fds = append(p.fds, fd)
				p.mu.Unlock()
			}
		}()
	}
}

// begin answers the request and returns a duplicate of the descriptor, which Go's poller does not use.
func begin(conn net.Conn) (int, error) {
	defer conn.Close()
	request := make([]byte, 4096)
	for n := 0; !bytes.Contains(request[:n], []byte("\r\n\r\n")); {
		m, err := conn.Read(request[n:])
		if err != nil {
			return 0, err
		}
		n += m
	}
	if _, err := io.WriteString(conn, sseHead); err != nil {
		return 0, err
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	fd := -1
	var dupErr error
	err = raw.Control(func(f uintptr) { fd, dupErr = unix.FcntlInt(f, unix.F_DUPFD_CLOEXEC, 0) })
	if err == nil {
		err = dupErr
	}
	return fd, err
}

// publish sends each event at its time. If it is late it skips events, so that the measured rate is the
// highest that it reaches.
func (p *plainWriter) publish(ctx context.Context, o writes.Offer) (last int64) {
	p.mu.Lock()
	fds := p.fds
	p.mu.Unlock()
	step := time.Duration(float64(time.Second) / o.Rate)
	pad := bytes.Repeat([]byte("x"), max(0, o.Bytes-55))
	began := time.Now()
	next := began
	last = o.First - 1
	for time.Since(began) < o.Duration && ctx.Err() == nil {
		if wait := time.Until(next); wait > 0 {
			writes.Pause(ctx, wait)
		}
		last++
		frame := fmt.Appendf(nil, "data: {\"n\":%d,\"sent\":%d,\"pad\":\"%s\"}\n\n", last, time.Now().UnixMicro(), pad)
		for _, fd := range fds {
			// An event that does not fit into the socket is lost; the counts of the clients show it.
			_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&frame[0])), uintptr(len(frame)))
		}
		next = next.Add(step)
		if late := time.Now(); next.Before(late) {
			next = late
		}
	}
	return last
}

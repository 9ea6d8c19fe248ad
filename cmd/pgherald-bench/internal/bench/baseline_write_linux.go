package bench

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
)

// sseHead begins each stream of a baseline.
const sseHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\r\n: hello\n\n"

// offer is a load of events: so many a second, for so long, numbered from First.
type offer struct {
	First   int64         `json:"first"`
	Rate    float64       `json:"rate"`
	Lasting time.Duration `json:"lasting"`
	Bytes   int           `json:"bytes"`          // of a frame
	Most    int           `json:"most,omitempty"` // events; 0: as many as the rate makes
}

// published is what came of an offer.
type published struct {
	Last int64 `json:"last"` // number of the last event
}

// plainWrite is the floor of all servers that do not batch: it makes the events up itself, and
// each is one non-blocking system call for each client. It knows neither Postgres nor HTTP.
type plainWrite struct {
	mu  sync.Mutex
	fds []int
}

func runPlainWrite(ctx context.Context, in io.Reader, out io.Writer) error {
	l, err := listen(out)
	if err != nil {
		return err
	}
	defer l.Close()
	p := &plainWrite{}
	go p.accept(l)
	answers := json.NewEncoder(out)
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var o offer
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return fmt.Errorf("read an offer: %w", err)
		}
		if err := answers.Encode(published{Last: p.publish(ctx, o)}); err != nil {
			return err
		}
	}
	return nil
}

func (p *plainWrite) accept(l net.Listener) {
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

// begin answers the request and returns a descriptor that is nobody else's.
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

// publish sends each event when its time has come. Those for which there was no time are left
// out: the rate is what it can do.
func (p *plainWrite) publish(ctx context.Context, o offer) (last int64) {
	p.mu.Lock()
	fds := p.fds
	p.mu.Unlock()
	step := time.Duration(float64(time.Second) / o.Rate)
	pad := bytes.Repeat([]byte("x"), max(0, o.Bytes-55))
	began := time.Now()
	next := began
	last = o.First - 1
	for time.Since(began) < o.Lasting && ctx.Err() == nil {
		if wait := time.Until(next); wait > 0 {
			pause(ctx, wait)
		}
		last++
		frame := fmt.Appendf(nil, "data: {\"n\":%d,\"sent\":%d,\"pad\":\"%s\"}\n\n", last, time.Now().UnixMicro(), pad)
		for _, fd := range fds {
			// What does not fit is lost, as the client's count will show.
			_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&frame[0])), uintptr(len(frame)))
		}
		next = next.Add(step)
		if late := time.Now(); next.Before(late) {
			next = late
		}
	}
	return last
}

// pause waits, but not beyond ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

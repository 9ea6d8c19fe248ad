package sse

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// shards serves streams on their bare sockets.
type shards struct {
	server  *Server
	shards  []*shard
	poller  *poller
	next    atomic.Uint32 // whose turn it is to get a client
	running sync.WaitGroup
}

func newEngine(s *Server) (engine, error) {
	p, err := newPoller()
	if err != nil {
		return nil, fmt.Errorf("watch sockets: %w", err)
	}
	e := &shards{server: s, poller: p, shards: make([]*shard, runtime.GOMAXPROCS(0))}
	for i := range e.shards {
		e.shards[i] = newShard(e)
		e.running.Go(e.shards[i].run)
	}
	e.running.Go(p.run)
	return e, nil
}

// take writes the first event, which goes out with the head of the response in one piece, and then
// takes the socket away from net/http: a copy of its descriptor is ours, the original is closed.
func (e *shards) take(re *Response, st *Stream, began time.Time) bool {
	if re.r.ProtoMajor != 1 || re.r.TLS != nil {
		return false
	}
	conn, buffered, err := hijack(re.w, st.Sub.Sync(re.head, st.Sync, e.server.opts.Now()), e.server.opts.WriteTimeout)
	if errors.Is(err, http.ErrNotSupported) {
		return false
	}
	c := &client{
		sub: *st.Sub, lease: st.Lease, ended: st.Ended, began: e.server.since(began), index: -1, bytes: int64(buffered),
		shard: e.shards[int(e.next.Add(1))%len(e.shards)],
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = CloseSlow
	case err != nil:
		err = CloseClientGone
	default:
		c.fd, err = detach(conn)
	}
	if err != nil {
		c.over(err)
		return true
	}
	e.server.opts.Meter.Sent(c.bytes, 0)
	if err := e.poller.add(c); err != nil {
		_ = unix.Close(int(c.fd))
		c.over(err)
		return true
	}
	c.shard.post(message{client: c, kind: arrived})
	return true
}

// hijack sends what net/http has buffered of the response, with first behind it. The client may have left its
// socket full, and net/http takes its deadlines back.
func hijack(w http.ResponseWriter, first []byte, patience time.Duration) (net.Conn, int, error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, 0, err
	}
	n := 0
	if err = conn.SetWriteDeadline(time.Now().Add(patience)); err == nil {
		n, err = rw.Write(first)
	}
	if err == nil {
		err = rw.Flush()
	}
	if err != nil {
		_ = conn.Close()
	}
	return conn, n, err
}

// detach returns a descriptor of the socket that is ours alone, and closes conn. What net and the
// runtime keep for a connection is several times what we do.
func detach(conn net.Conn) (int32, error) {
	defer conn.Close()
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return -1, fmt.Errorf("take over a %T: not a TCP connection", conn)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	controlErr := raw.Control(func(original uintptr) {
		fd, err = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	})
	return int32(fd), errors.Join(controlErr, err)
}

func (e *shards) stalled() (full, behind int) {
	for _, s := range e.shards {
		full += int(s.full.Load())
		behind += int(s.behind.Load())
	}
	return full, behind
}

func (e *shards) drain() {
	for _, s := range e.shards {
		s.post(message{kind: drain})
	}
}

func (e *shards) end() {
	for _, s := range e.shards {
		s.post(message{kind: endAll})
	}
}

func (e *shards) close() {
	for _, s := range e.shards {
		s.post(message{kind: stop})
	}
	for _, s := range e.shards {
		<-s.stopped
	}
	e.poller.stop()
	e.running.Wait()
	e.poller.close()
}

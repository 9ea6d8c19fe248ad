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
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgherald/pgherald/stream"
)

// epollTransport serves streams on bare sockets, which its shards own.
type epollTransport struct {
	server   *Server
	shards   []*shard
	poller   *poller
	next     atomic.Uint32 // counts clients, which are distributed evenly among the shards
	sockets  atomic.Int64  // taken over, or about to be
	running  sync.WaitGroup
	catchUps atomic.Int64 // that run
	// catchUpTurns is a semaphore: a catch-up takes an element while it sends.
	catchUpTurns chan *catchUpTurn
}

func newTransport(s *Server) (transport, error) {
	p, err := newPoller()
	if err != nil {
		return nil, fmt.Errorf("create an epoll instance: %w", err)
	}
	e := &epollTransport{server: s, poller: p, shards: make([]*shard, runtime.GOMAXPROCS(0))}
	e.catchUpTurns = newCatchUpTurns(max(1, len(e.shards)/2))
	for i := range e.shards {
		e.shards[i] = newShard(e)
	}
	return e, nil
}

func (e *epollTransport) run() {
	for _, s := range e.shards {
		e.running.Go(s.run)
	}
	e.running.Go(e.poller.run)
}

// takeOver writes the first event, which goes out together with the head of the response, and then
// takes the socket away from net/http: it duplicates the descriptor and closes the original.
func (e *epollTransport) takeOver(re *Response, st *Stream, began time.Time) bool {
	if re.r.ProtoMajor != 1 || re.r.TLS != nil {
		return false
	}
	e.sockets.Add(1)
	conn, buffered, err := hijack(re.w, re.encode(st.Sub.Sync(re.head, st.Sync, e.server.opts.Now())), e.server.opts.WriteTimeout)
	if errors.Is(err, http.ErrNotSupported) {
		e.sockets.Add(-1)
		return false
	}
	c := &client{
		sub: *st.Sub, lease: st.Lease, owner: st.Owner, began: e.server.since(began), index: -1, bytes: int64(buffered),
		shard: e.shards[int(e.next.Add(1))%len(e.shards)],
	}
	if re.isGzip {
		c.piece = noPiece
	}
	if st.Sync.Mode == stream.ModeStale {
		c.outage = &outage{saysStale: true}
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
		e.sockets.Add(-1)
		c.reportEnd(err)
		return true
	}
	e.server.opts.Meter.Sent(c.bytes, 0)
	c.lease.onRevoke(func() { c.shard.post(message{client: c, kind: leaseRevoked}) })
	if err := e.poller.add(c); err != nil {
		_ = unix.Close(int(c.fd))
		e.sockets.Add(-1)
		c.reportEnd(err)
		return true
	}
	c.shard.post(message{client: c, kind: opened})
	return true
}

// hijack takes the connection from net/http. It sends the part of the response that net/http has
// buffered, followed by first, within the timeout. It sets the deadline itself, because Hijack clears
// the earlier one.
func hijack(w http.ResponseWriter, first []byte, timeout time.Duration) (conn net.Conn, n int, err error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, 0, err
	}
	if err = conn.SetWriteDeadline(time.Now().Add(timeout)); err == nil {
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

// unreadBytes is the size of the kernel's buffer for bytes that a client sends on a stream, which the server never
// reads. The kernel doubles it, and has a minimum of about 2 KB.
const unreadBytes = 1 << 10

// detach duplicates the descriptor of conn's socket and closes conn, because the state that net and the
// runtime keep for a connection is several times the size of a client.
func detach(conn net.Conn) (int32, error) {
	defer conn.Close()
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return -1, fmt.Errorf("take over a %T: not a socket", conn)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	controlErr := raw.Control(func(original uintptr) {
		_ = unix.SetsockoptInt(int(original), unix.SOL_SOCKET, unix.SO_RCVBUF, unreadBytes) // saves memory only
		fd, err = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	})
	return int32(fd), errors.Join(controlErr, err)
}

func (e *epollTransport) stalled() (full, catchingUp int) {
	for _, s := range e.shards {
		full += int(s.full.Load())
		catchingUp += int(s.catchingUp.Load())
	}
	return full, catchingUp
}

func (e *epollTransport) takenOver() int { return int(e.sockets.Load()) }

func (e *epollTransport) drain() { e.broadcast(drain) }

func (e *epollTransport) readsChanged() { e.broadcast(readsChanged) }

func (e *epollTransport) closeStreams() { e.broadcast(closeStreams) }

func (e *epollTransport) broadcast(kind messageKind) {
	for _, s := range e.shards {
		s.post(message{kind: kind})
	}
}

func (e *epollTransport) stop() {
	e.broadcast(stop)
	for _, s := range e.shards {
		<-s.stopped
	}
	e.poller.stop()
	e.running.Wait()
	e.poller.close()
}

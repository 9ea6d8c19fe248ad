package sse

import (
	"net/http"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// maxPending is how many bytes a goroutine gets at a time, and has a copy of unless a single frame is large. Also, that
// many bytes have WriteTimeout to be written.
const maxPending = 64 << 10

// writePending writes events of the feed. While it writes large ones, the feed may evict them.
func (g *goroutine) writePending(bufs [][]byte, before *stream.Subscription) error {
	bufs = stream.CopySmall(bufs)
	pin := g.stream.Sub.Pin(bufs, before, g.interrupt)
	defer pin.Release()
	if g.isGzip {
		return g.writeEncoded(g.encodePending(bufs, before), sizeOf(bufs))
	}
	return g.write(bufs)
}

func (g *goroutine) writeFrame(frame []byte) error { return g.write([][]byte{frame}) }

// write writes and flushes. It returns an error if the client does not accept maxPending bytes, or the rest of them,
// within WriteTimeout.
func (g *goroutine) write(bufs [][]byte) error {
	if g.isGzip {
		return g.writeEncoded(storedBufs(bufs), sizeOf(bufs))
	}
	g.writeErr = g.tryWrite(bufs)
	return g.writeErr
}

func (g *goroutine) tryWrite(bufs [][]byte) error {
	if err := g.extendDeadline(); err != nil {
		return err
	}
	before := g.bytes
	defer func() {
		g.server.opts.Meter.Sent(g.bytes-before, g.stream.Sub.Sent()-g.metered)
		g.metered = g.stream.Sub.Sent()
	}()
	left := maxPending // before the deadline
	for _, b := range bufs {
		for len(b) > 0 {
			if left == 0 {
				if err := g.extendDeadline(); err != nil {
					return err
				}
				left = maxPending
			}
			n, err := g.w.Write(b[:min(len(b), left)])
			if g.bytes += int64(n); err != nil {
				return err
			}
			b, left = b[n:], left-n
		}
	}
	return flush(g.w)
}

// interrupt makes the running write and later ones fail: the client is slow. Any goroutine may call it.
func (g *goroutine) interrupt() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.isInterrupted = true
	if !g.hasEnded {
		_ = http.NewResponseController(g.w).SetWriteDeadline(time.Unix(1, 0))
	}
}

// extendDeadline gives the next write WriteTimeout. It returns an error if the stream was interrupted.
func (g *goroutine) extendDeadline() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isInterrupted {
		return CloseSlow
	}
	return g.server.extendDeadline(g.w)
}

package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// maxUnearned bounds what a client may send beyond what its requests account for: the headers of a request that has yet to begin,
	// and a window of bodies that no handler has read.
	maxUnearned = maxHeaderBytes + 64<<10
	// freeUnearned is how much of that each client may send at any time: the largest frame. The rest is for all clients together
	// what turnsPerSecond allows.
	freeUnearned = http2Frame

	// turnsPerSecond is how many bytes the server reads, for each processor, from clients beyond freeUnearned. The most costly ones
	// are frames of 9 bytes, which take about 3 µs: a sixth of the processor.
	turnsPerSecond = 512 << 10
	maxTurn        = 64 << 10 // bytes in one read

	// refillPerSecond is how many bytes a client earns by waiting, for PINGs, and the frames of streams that it ends.
	refillPerSecond = 1 << 10
	// An HTTP/2 request earns requestEarns: for its headers, which the server knows only decoded, and the frames about it.
	requestEarns = 4 << 10
	// Each byte of a body earns bodyEarns, since clients send small frames, chunks and TLS records.
	bodyEarns = 2
	// An HTTP/1 request earns http1Earns beyond its headers: net/http reads 256 KiB of a body that no handler has read.
	http1Earns = 384 << 10

	// A client may send a WINDOW_UPDATE for each frame that it receives: a quarter of the bytes is for these. The first bytes of a
	// write earn nothing, since the answer to a PING or to SETTINGS must not pay for the next one: TLS makes 38 bytes of 9.
	answersPerUpdate = 4
	answerBytes      = 32
)

// allowance counts the bytes that a client has sent on a connection and that nothing has earned: requests, bodies that were read,
// bytes that the client received, and time earn some. net/http reads many frames of HTTP/2 that have no effect (PRIORITY, unknown
// ones, empty DATA) and bounds none of them. Below TLS, the socket sees no frames, only their bytes.
type allowance struct {
	unearned atomic.Int64 // less than 0 after an HTTP/1 request
	refilled time.Time    // of the goroutine that reads
}

// take counts bytes that were read, and returns how many are unearned.
func (a *allowance) take(n int) int64 {
	unearned := a.unearned.Add(int64(n))
	if unearned <= freeUnearned {
		return unearned
	}
	now := time.Now()
	if waited := now.Sub(a.refilled); waited > 100*time.Millisecond {
		a.earn(int(min(waited, time.Hour).Milliseconds() * refillPerSecond / 1000))
		a.refilled = now
	}
	return a.unearned.Load()
}

// earn accounts for bytes, whether they have come or not: nothing is saved for later.
func (a *allowance) earn(n int) {
	for n > 0 {
		unearned := a.unearned.Load()
		if unearned <= 0 || a.unearned.CompareAndSwap(unearned, max(0, unearned-int64(n))) {
			return
		}
	}
}

// newTurns returns the limiter of the bytes beyond freeUnearned, which all sockets share.
func newTurns() *rate.Limiter {
	return rate.NewLimiter(rate.Limit(turnsPerSecond*runtime.GOMAXPROCS(0)), maxTurn)
}

// accounting is a handler that accounts for the bytes of requests.
type accounting struct{ next http.Handler }

type socketKey struct{}

// withSocket implements http.Server.ConnContext.
func withSocket(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, socketKey{}, socketOf(conn))
}

// ServeHTTP passes the request on.
func (a accounting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s, _ := r.Context().Value(socketKey{}).(*socket); s != nil {
		if r.ProtoMajor == 1 {
			s.allowance.unearned.Store(-http1Earns)
		} else {
			s.allowance.earn(requestEarns)
		}
		if r.Body != nil && r.Body != http.NoBody {
			counted := *r // net/http looks at the type of the body of its own request
			counted.Body = accountedBody{r.Body, &s.allowance}
			r = &counted
		}
	}
	a.next.ServeHTTP(w, r)
}

// accountedBody is a body whose bytes are accounted for when a handler reads them.
type accountedBody struct {
	io.ReadCloser
	allowance *allowance
}

// Read implements io.Reader.
func (b accountedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.allowance.earn(bodyEarns * n)
	return n, err
}

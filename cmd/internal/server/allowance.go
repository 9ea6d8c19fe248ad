package server

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// maxUnearned bounds what a client may send beyond what its requests account for: the headers of a request that has yet to begin,
	// and a window of bodies that no handler has read.
	maxUnearned = maxHeaderBytes + 64<<10
	// freeUnearned is how much of that each client may send at any time: the largest frame, which comes whole before a handler can
	// read it, and what precedes it. The rest is for all clients together what turnsPerSecond allows.
	freeUnearned = 2 * http2Frame

	// turnsPerSecond is how many bytes the server reads, for each processor, from clients beyond freeUnearned. The most costly ones
	// are frames of 9 bytes, which take about 3 µs: a sixth of the processor.
	turnsPerSecond = 512 << 10
	maxTurn        = 64 << 10 // bytes in one read
	// turnWithin bounds how far ahead turns are promised, since sockets that close meanwhile do not take theirs.
	turnWithin = 5 * time.Second

	// refillPerSecond is how many bytes a client earns by waiting, for PINGs, and the frames of streams that it ends.
	refillPerSecond = 1 << 10
	// An HTTP/2 request earns requestEarns: for its headers, which the server knows only decoded, and the frames about it. Those
	// that are more than the client's table of headers, of headerTable bytes, come in full each time. One field that is more earns its
	// length. Several, and a cookie, which may have come as several, earn headersEarnAtMost, since they may be one in the table.
	requestEarns      = 4 << 10
	headerTable       = 4 << 10
	headerOverhead    = 32 // of a field in the table
	headersEarnAtMost = 16 << 10
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

// awaitTurn waits until a socket may read more bytes than freeUnearned, has earned them, or is closed.
func (s *socket) awaitTurn(n int) {
	for s.open.Err() == nil && s.allowance.unearned.Load() > freeUnearned {
		soon, cancel := context.WithTimeout(s.open, turnWithin)
		err := s.sockets.turns.WaitN(soon, min(n, maxTurn))
		if err != nil {
			<-soon.Done() // WaitN returns at once if no turn is within that time
		}
		cancel()
		if err == nil {
			return
		}
	}
}

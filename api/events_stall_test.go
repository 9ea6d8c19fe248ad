package api_test

import (
	"bufio"
	"bytes"
	"net"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// commitLarge commits a transaction of events with the same data, and wakes the feed.
func (s *streamServer) commitLarge(events int, data []byte) {
	tx := s.log.Begin()
	for i := range events {
		tx.Write("large", "row")
		tx.Events[i].Data = data
	}
	tx.Commit()
	s.wakeFeed()
}

// openStalled opens a stream with small socket buffers that is never read.
func (s *streamServer) openStalled() {
	s.Helper()
	s.smallBuffers.Store(true)
	defer s.smallBuffers.Store(false)
	before, _ := s.logs.count("stream opened")
	if err := s.dialStream().(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		s.Fatal(err)
	}
	s.logs.await(s.T, before+1, "stream opened")
}

// dialStream opens a stream on a raw connection and reads nothing.
func (s *streamServer) dialStream() net.Conn {
	s.Helper()
	return s.dial("GET /api/events HTTP/1.1\r\nHost: pgherald\r\n\r\n")
}

// readSync reads the first event.
func (s *streamServer) readSync(in *bufio.Reader) {
	s.Helper()
	for line := ""; !strings.Contains(line, `"sync"`); {
		var err error
		if line, err = in.ReadString('\n'); err != nil {
			s.Fatal(err)
		}
	}
}

// A client that never reads delays no other client and costs no memory.
func TestClientThatNeverReadsDelaysNoOther(t *testing.T) {
	const rounds, size, bound = 100, 1 << 20, 24 << 20
	s := newStreamServer(t, streamServerOptions{
		feed: stream.FeedOptions{Bytes: 1 << 20},
		api:  func(o *apiOptions) { o.Streams.WriteTimeout = time.Hour },
	})
	for range 3 {
		s.openStalled()
	}
	healthy := s.openSynced("")
	data := append(append([]byte(`"`), bytes.Repeat([]byte("x"), size)...), '"')
	before := heap()
	var peak uint64
	for range rounds {
		s.commitLarge(1, data)
		healthy.readUntil("id: ")
		healthy.received.Reset()
		peak = max(peak, heap())
	}
	t.Logf("%d MB sent, peak of the heap %.1f MB above %.1f MB", rounds, float64(int64(peak)-int64(before))/1e6, float64(before)/1e6)
	if peak > before+bound {
		t.Errorf("the heap grew by %d MB with three clients that do not read", (peak-before)>>20)
	}
	if n, _ := s.logs.count("stream closed"); n > 0 {
		t.Errorf("a stream ended:\n%s", s.logs)
	}
}

// heap returns the bytes of live objects.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A client that accepts nothing within the write timeout is disconnected with the reason slow: while it is sent events from
// memory, from the log, or heartbeats.
func TestClientThatNeverReadsIsDisconnected(t *testing.T) {
	data := []byte(`"` + strings.Repeat("x", 64<<10) + `"`)
	for name, o := range map[string]struct {
		feed      int64
		heartbeat time.Duration
		events    int
	}{
		"from memory": {feed: 64 << 20, heartbeat: time.Hour, events: 500},
		"from log":    {feed: 1, heartbeat: time.Hour, events: 500},
		"heartbeats":  {feed: 1, heartbeat: time.Microsecond},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStreamServer(t, streamServerOptions{
				feed: stream.FeedOptions{Bytes: o.feed},
				api:  func(a *apiOptions) { a.Streams.WriteTimeout, a.Streams.Heartbeat = 100*time.Millisecond, o.heartbeat },
			})
			s.openStalled()
			if o.events > 0 {
				s.commitLarge(o.events, data)
			}
			s.logs.await(t, 1, "stream closed", "reason=slow")
			s.shutDown()
			if n, _ := s.logs.count("stream closed"); n != 1 {
				t.Errorf("%d ends of one stream:\n%s", n, s.logs)
			}
		})
	}
}

// A client that pauses for less than the write timeout loses nothing, although the feed has evicted the events.
func TestClientThatPausesLosesNothing(t *testing.T) {
	const rounds = 60 // 15 MB, more than sockets hold
	s := newStreamServer(t, streamServerOptions{
		feed: stream.FeedOptions{Bytes: 1 << 20},
		api:  func(o *apiOptions) { o.Streams.WriteTimeout = time.Hour },
	})
	in := bufio.NewReader(s.dialStream())
	s.readSync(in)
	healthy := s.openSynced("")
	data := []byte(`"` + strings.Repeat("x", 128<<10) + `"`)
	for range rounds {
		s.commitLarge(2, data)
		healthy.readUntil("id: ")
		healthy.received.Reset()
	}
	for next := 1; next <= 2*rounds; {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if rest, ok := strings.CutPrefix(line, `data: {"id":`); ok {
			if id, _, _ := strings.Cut(rest, ","); id != strconv.Itoa(next) {
				t.Fatalf("event %s after %d", id, next-1)
			}
			next++
		}
	}
	if s.feed.Stats().CatchUps == 0 {
		t.Error("the client never caught up from the log: the test proves nothing")
	}
}

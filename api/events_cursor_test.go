package api_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// A cursor after which the stream cannot continue is answered with a reset and its reason, and the stream starts there.
func TestBytesOfResets(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{feed: stream.FeedOptions{Bytes: 1, Fill: 1}})
	for range 3 {
		s.commit("a")
	}
	s.awaitFeed(3)
	s.log.Prune()
	for name, cursor := range map[string]string{
		"malformed": "not a cursor",
		"other_log": "zzzz-jj",
		"pruned":    "k3f9-jg",
		"future":    "k3f9-3w5e11264sgsf", // the largest cursor
	} {
		t.Run(name, func(t *testing.T) {
			s.forTest(t).openSynced("", "Last-Event-ID", cursor).matchesGolden("reset_" + name)
			s.logs.await(t, 1, "stream opened", "mode=reset", "reason="+name)
		})
	}
}

// A failover replaces the log while a stream is open.
func TestBytesOfAResetOfAnOpenStream(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	l := s.openSynced("")
	s.commit("a")
	l.readUntil("id: ")
	s.log.Replace("q7x2")
	s.wakeFeed()
	l.readUntil(`"reset"`)
	s.commit("b")
	l.readUntil(`"b"`)
	l.matchesGolden("reset_on_the_way")
}

// Any text that is not a cursor is answered with the reset malformed.
func TestMalformedCursors(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{server: func(h *http.Server) { h.MaxHeaderBytes = 64 << 10 }})
	for name, cursor := range map[string]string{
		"a word":            "cursor",
		"a number":          "42",
		"no number":         "k3f9-",
		"negative":          "k3f9--1",
		"capitals":          "K3F9-JG",
		"leading zero":      "k3f9-0jg",
		"hole above":        "k3f9-5-6",
		"hole at itself":    "k3f9-5-0",
		"holes without end": "k3f9-jg-" + strings.Repeat("1.", 300),
		"too many digits":   "k3f9-" + strings.Repeat("z", 14),
		"a long epoch":      strings.Repeat("k", 17) + "-jg",
		"a space":           "k3f9-jg k3f9-jg",
		"Latin-1":           "k3f9-\xe9",
		"513 bytes":         "k3f9-" + strings.Repeat("1", 508),
		"20 kB":             strings.Repeat("x", 20<<10),
	} {
		t.Run(name, func(t *testing.T) {
			s := s.forTest(t)
			s.expectMalformed("", "Last-Event-ID", cursor)
			s.expectMalformed("?since=" + escape(cursor))
			s.expectMalformed("?lastEventId=" + escape(cursor))
		})
	}
}

func (s *streamServer) expectMalformed(target string, header ...string) {
	s.Helper()
	l := s.openSynced(target, header...)
	defer l.disconnect()
	if !strings.Contains(l.received.String(), `{"mode":"reset","reason":"malformed","heartbeat":`) {
		s.Errorf("stream:\n%s", l.received.String())
	}
}

// escape percent-encodes each byte.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		const hex = "0123456789ABCDEF"
		b.WriteString("%" + string(hex[s[i]>>4]) + string(hex[s[i]&15]))
	}
	return b.String()
}

func TestCursorLargerThanAllHeaders(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{server: func(h *http.Server) { h.MaxHeaderBytes = 64 << 10 }})
	healthy := s.openSynced("")
	long := strings.Repeat("x", 100_000)
	for _, l := range []*streamClient{s.open("", "Last-Event-ID", long), s.open("?since=" + long)} {
		if got := l.response.StatusCode; got != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("status %d, want 431", got)
		}
	}
	s.commit("a")
	healthy.readUntil("id: ")
}

// With a higher limit of headers, a long cursor is answered with a reset too.
func TestCursorOf100kB(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	s.expectMalformed("", "Last-Event-ID", strings.Repeat("x", 100_000))
	s.expectMalformed("?since=" + strings.Repeat("1.", 50_000))
}

// slowLog is a log that, once slow is set, delays the next check of a cursor from the future until proceed is closed. The
// feed's own reads have other cursors.
type slowLog struct {
	*streamtest.Log
	slow    atomic.Bool
	reading chan struct{} // closed when that read begins
	proceed chan struct{} // closed to let it continue
}

func (l *slowLog) Check(ctx context.Context, from stream.Cursor) (events int, err error) {
	if from.Next() < 1<<60 || !l.slow.CompareAndSwap(true, false) {
		return l.Log.Check(ctx, from)
	}
	close(l.reading)
	select {
	case <-l.proceed:
		return l.Log.Check(ctx, from)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// The headers and the field retry arrive before the log is read.
func TestHeadersArriveAtOnce(t *testing.T) {
	log := streamtest.NewLog("k3f9")
	slow := &slowLog{Log: log, reading: make(chan struct{}), proceed: make(chan struct{})}
	s := newStreamServerOn(t, log, streamServerOptions{log: slow})
	slow.slow.Store(true)
	l := s.open("?since=k3f9-3w5e11264sgsf")
	<-slow.reading
	if line, err := l.in.ReadString('\n'); line != "retry: 2713\n" || err != nil {
		t.Errorf("first line %q, %v", line, err)
	}
	close(slow.proceed)
	l.readUntil(`"future"`)
}

// A client that disconnects while the log is read for it causes no warning.
func TestClientDisconnectsBeforeTheFirstEvent(t *testing.T) {
	log := streamtest.NewLog("k3f9")
	slow := &slowLog{Log: log, reading: make(chan struct{}), proceed: make(chan struct{})}
	s := newStreamServerOn(t, log, streamServerOptions{log: slow})
	slow.slow.Store(true)
	l := s.open("?since=k3f9-3w5e11264sgsf")
	<-slow.reading
	l.disconnect()
	if _, err := io.Copy(io.Discard, l.in); err == nil {
		t.Error("the stream ended although the client disconnected")
	}
	s.logs.await(t, 1, "client_gone")
	if n, _ := s.logs.count("level=WARN"); n > 0 {
		t.Errorf("a warning about a client that disconnected:\n%s", s.logs)
	}
}

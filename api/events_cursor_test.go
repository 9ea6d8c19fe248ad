package api_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// Every cursor that cannot be honoured is answered with a reset and its reason, and the stream
// goes on.
func TestBytesOfResets(t *testing.T) {
	s := newStation(t, stationOptions{feed: stream.FeedOptions{Bytes: 1, Fill: 1}})
	for range 3 {
		s.commit("a")
	}
	s.fed(3)
	s.log.Prune()
	for name, cursor := range map[string]string{
		"malformed": "not a cursor",
		"other_log": "zzzz-jj",
		"pruned":    "k3f9-jg",
		"future":    "k3f9-3w5e11264sgsf", // the largest there is
	} {
		t.Run(name, func(t *testing.T) {
			s.on(t).synced("", "Last-Event-ID", cursor).is("reset_" + name)
			s.logs.await(t, 1, "stream opened", "mode=reset", "reason="+name)
		})
	}
}

// A log that is replaced under a running stream, as by a failover.
func TestBytesOfAResetOnTheWay(t *testing.T) {
	s := newStation(t, stationOptions{})
	l := s.synced("")
	s.commit("a")
	l.until("id: ")
	s.log.Replace("q7x2")
	s.ring()
	l.until(`"reset"`)
	s.commit("b")
	l.until(`"b"`)
	l.is("reset_on_the_way")
}

// No text may hurt: it is refused as a cursor, or as a header that is too long, and the server goes
// on serving.
func TestCursorsThatNobodySent(t *testing.T) {
	s := newStation(t, stationOptions{server: func(h *http.Server) { h.MaxHeaderBytes = 64 << 10 }})
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
			s := s.on(t)
			s.isMalformed("", "Last-Event-ID", cursor)
			s.isMalformed("?since=" + escape(cursor))
			s.isMalformed("?lastEventId=" + escape(cursor))
		})
	}
}

func (s *station) isMalformed(target string, header ...string) {
	s.Helper()
	l := s.synced(target, header...)
	defer l.hangUp()
	if !strings.Contains(l.got.String(), `{"mode":"reset","reason":"malformed"}`) {
		s.Errorf("answer:\n%s", l.got.String())
	}
}

// escape writes each byte as an URL may hold it.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		const hex = "0123456789ABCDEF"
		b.WriteString("%" + string(hex[s[i]>>4]) + string(hex[s[i]&15]))
	}
	return b.String()
}

func TestCursorLargerThanAllHeaders(t *testing.T) {
	s := newStation(t, stationOptions{server: func(h *http.Server) { h.MaxHeaderBytes = 64 << 10 }})
	healthy := s.synced("")
	long := strings.Repeat("x", 100_000)
	for _, l := range []*listener{s.listen("", "Last-Event-ID", long), s.listen("?since=" + long)} {
		if got := l.response.StatusCode; got != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("status %d, want 431", got)
		}
	}
	s.commit("a")
	healthy.until("id: ")
}

// A server whose limit is higher answers with a reset.
func TestCursorOf100kB(t *testing.T) {
	s := newStation(t, stationOptions{})
	s.isMalformed("", "Last-Event-ID", strings.Repeat("x", 100_000))
	s.isMalformed("?since=" + strings.Repeat("1.", 50_000))
}

// A log that does not answer when a resume needs it: an EventSource never returns after a 5xx, but
// it does after a stream that ends.
func TestLogIsDownWhenAResumeNeedsIt(t *testing.T) {
	s := newStation(t, stationOptions{feed: stream.FeedOptions{Bytes: 1, Fill: 1}})
	first := s.synced("")
	s.commit("a")
	seen := idOf(first.until("id: "))
	s.commit("b")
	s.commit("c")
	first.until(`"c"`)
	s.log.Break(errors.New("connection refused"))
	l := s.listen("?since=" + seen)
	l.rest()
	l.is("log_is_down")
	if l.response.StatusCode != http.StatusOK {
		t.Errorf("status %d", l.response.StatusCode)
	}
	s.logs.await(t, 1, "stream refused", "connection refused")
	s.synced("?since=" + idOf(first.got.String())) // whom memory serves, it serves all the while
	s.log.Break(nil)
	s.listen("?since=" + seen).until(`"c"`)
}

// Headers and the delay arrive before the log has answered.
func TestHeadersArriveAtOnce(t *testing.T) {
	log := streamtest.NewLog("k3f9")
	slow := &slowLog{Log: log, asked: make(chan struct{}), answer: make(chan struct{})}
	s := stationOf(t, log, stationOptions{log: slow})
	slow.slow.Store(true)
	l := s.listen("?since=k3f9-3w5e11264sgsf")
	<-slow.asked
	if line, err := l.in.ReadString('\n'); line != "retry: 2713\n" || err != nil {
		t.Errorf("first line %q, %v", line, err)
	}
	close(slow.answer)
	l.until(`"future"`)
}

// A client that leaves while the log is asked for it is no trouble of the server's.
func TestClientLeavesBeforeTheFirstEvent(t *testing.T) {
	log := streamtest.NewLog("k3f9")
	slow := &slowLog{Log: log, asked: make(chan struct{}), answer: make(chan struct{})}
	s := stationOf(t, log, stationOptions{log: slow})
	slow.slow.Store(true)
	l := s.listen("?since=k3f9-3w5e11264sgsf")
	<-slow.asked
	l.hangUp()
	if _, err := io.Copy(io.Discard, l.in); err == nil {
		t.Error("the stream ended by itself")
	}
	s.logs.await(t, 1, "client_gone")
	if n, _ := s.logs.count("level=WARN"); n > 0 {
		t.Errorf("a warning about a client that left:\n%s", s.logs)
	}
}

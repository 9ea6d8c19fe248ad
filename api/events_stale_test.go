package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// silentLog is a log whose reads, once silent is set, end only when answer is closed or their context ends.
type silentLog struct {
	*streamtest.Log
	silent atomic.Bool
	answer chan struct{}
}

func (l *silentLog) wait(ctx context.Context) error {
	if !l.silent.Load() {
		return ctx.Err()
	}
	select {
	case <-l.answer:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *silentLog) Read(ctx context.Context, from stream.Cursor) (stream.Reading, error) {
	if err := l.wait(ctx); err != nil {
		return nil, err
	}
	return l.Log.Read(ctx, from)
}

func (l *silentLog) Check(ctx context.Context, from stream.Cursor) (int, error) {
	if err := l.wait(ctx); err != nil {
		return 0, err
	}
	return l.Log.Check(ctx, from)
}

func (l *silentLog) Lineage(ctx context.Context) (stream.Lineage, error) {
	if err := l.wait(ctx); err != nil {
		return nil, err
	}
	return l.Log.Lineage(ctx)
}

func (l *silentLog) Resume(ctx context.Context, from stream.Cursor) (stream.Reading, error) {
	if err := l.wait(ctx); err != nil {
		return nil, err
	}
	return l.Log.Resume(ctx, from)
}

// During an outage every stream learns that it is stale: those that were open, those that catch up from the log, and new ones,
// whether the log refuses reads or does not answer. All of them receive everything once when the log is read again.
func TestOutageOfTheLog(t *testing.T) {
	for name, isRefused := range map[string]bool{"refused": true, "no answer": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // mostly waits for the 5 s
			testOutageOfTheLog(t, isRefused)
		})
	}
}

func testOutageOfTheLog(t *testing.T, isRefused bool) {
	log := streamtest.NewLog("k3f9")
	silent := &silentLog{Log: log, answer: make(chan struct{})}
	s := newStreamServerOn(t, log, streamServerOptions{log: silent, feed: stream.FeedOptions{Bytes: 1, Fill: 1, StaleAfter: pacing.StaleAfter}, api: func(o *apiOptions) {
		o.Streams.HasAlternative = func() bool { return true } // without a limit
	}})
	clients := map[string]*streamClient{
		"live": s.openSynced(""), "batch": s.openSynced("?batch=50ms"), "conflate": s.openSynced("?conflate=1"), "filter": s.openSynced("?types=x,b"),
	}
	start := idOf(clients["live"].received.String())
	for _, kind := range []string{"a", "b", "c"} {
		s.commit(kind)
	}
	s.awaitFeed(3)
	if isRefused {
		log.Break(errors.New("connection refused"))
	} else {
		silent.silent.Store(true)
	}
	s.commit("x")
	clients["resumed before it is known"] = s.open("?since=" + start)
	for name, l := range clients {
		if got := l.readUntil(`"stale"`); !strings.Contains(got, `"since":"`) {
			t.Errorf("%s: %s", name, got)
		}
	}
	clients["resumed"] = s.open("?since=" + start)
	clients["new"] = s.open("")
	clients["malformed"] = s.open("?since=nonsense")
	clients["of another log"] = s.open("?since=k3f8-1")
	for _, name := range []string{"resumed", "new", "malformed", "of another log"} {
		clients[name].readUntil(`"stale"`)
	}
	s.checkStale()
	log.Break(nil)
	close(silent.answer)
	silent.silent.Store(false)
	s.wakeFeed()
	s.commit("y")
	for name, want := range map[string][]string{
		"live": {"a", "b", "c", "x", "y"}, "batch": {"a", "b", "c", "x", "y"}, "conflate": {"a", "b", "c", "x", "y"}, "filter": {"b", "x"},
		"resumed": {"a", "b", "c", "x", "y"}, "resumed before it is known": {"a", "b", "c", "x", "y"}, "new": {"x", "y"}, "malformed": {"x", "y"},
	} {
		l := clients[name]
		last := want[len(want)-1]
		if !strings.Contains(l.received.String(), `"type":"`+last+`"`) {
			l.readUntil(`"type":"` + last + `"`)
		}
		for _, kind := range want {
			if n := strings.Count(l.received.String(), `"type":"`+kind+`"`); n != 1 {
				t.Errorf("%s: event %s came %d times:\n%s", name, kind, n, l.received.String())
			}
		}
	}
	for name, l := range clients {
		text := l.received.String()
		if after := text[strings.Index(text, `"stale"`):]; !strings.Contains(after, `{"mode":"live"}`) {
			l.readUntil(`{"mode":"live"}`)
		}
		if text := l.received.String(); strings.Contains(text, `"type":"heartbeat"`) || l.response.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d\n%s", name, l.response.StatusCode, text)
		}
	}
	clients["of another log"].readUntil(`{"mode":"reset","reason":"other_log"}`)
	if s.stats().StaleSince != nil {
		t.Error("/api/stats shows an outage after its end")
	}
}

// checkStale checks what the server says about itself while it is stale.
func (s *streamServer) checkStale() {
	s.Helper()
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/readyz/fresh": 200, "/readyz/events": 503} {
		response, body := s.request(http.MethodGet, path)
		if response.StatusCode != want {
			s.Errorf("%s: %d %s, want %d", path, response.StatusCode, body, want)
		}
		var health struct{ StaleSince string }
		if err := json.Unmarshal([]byte(body), &health); err != nil || (health.StaleSince != "") != (path != "/livez") {
			s.Errorf("%s says %s", path, body)
		}
	}
	if s.stats().StaleSince == nil || s.api.StaleFor() <= 0 {
		s.Error("the statistics do not show the outage")
	}
}

// If the log refuses a cursor's read while the feed can read the log, the stream ends with status 200, because an EventSource
// reconnects after the end of a stream.
func TestResumeThatFails(t *testing.T) {
	log := streamtest.NewLog("k3f9")
	s := newStreamServerOn(t, log, streamServerOptions{log: &uncheckedLog{log}, feed: stream.FeedOptions{Bytes: 1, Fill: 1}})
	first := s.openSynced("")
	s.commit("a")
	s.commit("b")
	first.readUntil(`"b"`)
	l := s.open("?since=k3f9-0")
	l.readToEnd()
	if l.response.StatusCode != http.StatusOK || l.received.String() != "retry: 2713\n\n" {
		t.Errorf("status %d: %q", l.response.StatusCode, l.received.String())
	}
	s.logs.await(t, 1, "stream failed to start", "no right to check")
}

// uncheckedLog cannot check cursors.
type uncheckedLog struct{ *streamtest.Log }

func (*uncheckedLog) Check(context.Context, stream.Cursor) (int, error) {
	return 0, errors.New("no right to check")
}

package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// poll is a request that waits for events.
type poll struct {
	*streamServer
	cancel context.CancelFunc
	answer chan pageOf
}

// poll sends a request that waits, and returns when it holds the only slot, or its client has no access any more.
func (s *streamServer) poll(target string, header ...string) *poll {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	s.Cleanup(cancel)
	p := &poll{streamServer: s, cancel: cancel, answer: make(chan pageOf, 1)}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.web.URL+"/api/events?wait=55s&"+target, nil)
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	go func() {
		defer close(p.answer)
		for {
			response, err := s.web.Client().Do(r)
			if err != nil {
				return
			}
			body, _ := io.ReadAll(response.Body)
			response.Body.Close()
			if strings.Contains(string(body), `"limit_total"`) {
				continue // the request below has the slot
			}
			got := pageOf{response: response, body: string(body)}
			_ = json.Unmarshal(body, &got)
			p.answer <- got
			return
		}
	}()
	for {
		response := s.send(ctx, http.MethodHead, "/api/events", header...)
		response.Body.Close()
		if response.StatusCode == http.StatusServiceUnavailable || response.StatusCode == http.StatusUnauthorized { // its token has ended
			return p
		}
	}
}

// oneSlot makes a server admit one stream at a time.
func oneSlot(o *apiOptions) {
	o.Streams.Admission = admission.New(admission.Options{Total: 1})
}

// A request that waits holds a slot, is answered with the next event that its filter matches, and gives the slot back.
func TestLongPoll(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{api: oneSlot})
	start := s.page("").Cursor
	p := s.poll("types=b&since=" + start)
	s.commit("a")
	s.awaitFeed(1)
	s.commit("b")
	got := <-p.answer
	if len(got.Events) != 1 || got.More || !strings.Contains(got.body, `"type":"b"`) {
		t.Fatalf("got %s", got.body)
	}
	s.awaitSlot()
	if p := s.page("?since=" + got.Cursor); len(p.Events) != 0 {
		t.Errorf("the cursor of the page is not behind everything: %s", p.body)
	}
	gone := s.poll("since=" + got.Cursor)
	gone.cancel()
	s.awaitSlot()
}

// A shutdown answers requests that wait, and those that come later, at once.
func TestLongPollWhileDraining(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{api: oneSlot})
	start := s.page("").Cursor
	p := s.poll("since=" + start)
	s.api.Drain(time.Minute)
	got := <-p.answer
	if got.Sync == nil || got.Sync.Mode != stream.ModeDraining || got.Cursor != start || got.More {
		t.Errorf("got %s", got.body)
	}
	s.awaitSlot()
	s.commit("a")
	s.awaitFeed(1)
	if p := s.page("?wait=55s&since=" + start); len(p.Events) != 1 || p.Sync.Mode != stream.ModeDraining {
		t.Errorf("got %s", p.body)
	}
}

// Close answers requests that wait, too.
func TestLongPollWhileClosing(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{api: oneSlot})
	p := s.poll("since=" + s.page("").Cursor)
	s.api.Close()
	if got := <-p.answer; got.Sync == nil || got.Sync.Mode != stream.ModeDraining {
		t.Errorf("got %s", got.body)
	}
}

// A request that waits longer than its token is valid ends with the token, and yields nothing.
func TestAbuseLongPollThatOutlastsTheToken(t *testing.T) {
	t.Parallel()
	o := withTokens(newJWT(t))
	add := o.api
	o.api = func(o *apiOptions) { add(o); oneSlot(o) }
	s := newStreamServer(t, o)
	short := bearer(shortToken(t, shortLifetime))
	p := s.poll("since="+s.page("", bearer(token(t, nil))...).Cursor, short...)
	got := <-p.answer
	if got.response.StatusCode != http.StatusUnauthorized || !strings.Contains(got.body, `"code":"token_expired"`) || got.Cursor != "" {
		t.Errorf("status %d, %s", got.response.StatusCode, got.body)
	}
}

// While the log cannot be read, a page from memory says that it is stale, and one that needs the log is a 503. With the
// same cursor, both continue when the log is read again.
func TestPagesWhileTheLogIsAway(t *testing.T) {
	t.Parallel() // waits for the 5 s
	s := newStreamServer(t, streamServerOptions{feed: stream.FeedOptions{Bytes: 1, Fill: 1, StaleAfter: pacing.StaleAfter}})
	old := s.page("").Cursor
	for range 3 {
		s.commit("a")
	}
	s.awaitFeed(3)
	newest := s.page("").Cursor
	watch := s.openSynced("")
	s.log.Break(errors.New("connection refused"))
	watch.readUntil(`"stale"`)
	if p := s.page("?since=" + newest); p.Sync == nil || p.Sync.Mode != stream.ModeStale || p.Sync.Since == "" || p.Cursor != newest {
		t.Errorf("got %s", p.body)
	}
	if p := s.page(""); p.Sync == nil || p.Sync.Mode != stream.ModeStale {
		t.Errorf("without a cursor: %s", p.body)
	}
	response, body := s.fetch(http.MethodGet, "?since="+old)
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" || !strings.Contains(body, `"code":"stale"`) {
		t.Errorf("status %d, %v, %s", response.StatusCode, response.Header, body)
	}
	s.log.Break(nil)
	watch.readUntil(`"live"`)
	if p := s.page("?since=" + old); len(p.Events) != 3 || p.Sync != nil {
		t.Errorf("afterwards: %s", p.body)
	}
}

// A page that finds nothing in a long backlog ends before proxies give up, with a cursor that has moved on.
func TestPageOfALongBacklog(t *testing.T) {
	log := streamtest.NewLog("k3f9")
	s := newStreamServerOn(t, log, streamServerOptions{
		log:  &endlessLog{Log: log, old: stream.NewCursor("k3f9", 700, nil)},
		feed: stream.FeedOptions{Bytes: 1, Fill: 1},
	})
	s.api.SetPageScan(0)
	for range 3 {
		s.commit("x")
	}
	s.awaitFeed(3)
	p := s.page("?types=y&since=k3f9-jg")
	if len(p.Events) != 0 || !p.More || p.Cursor == "k3f9-jg" {
		t.Errorf("got %s", p.body)
	}
}

// write commits a transaction of n events with size bytes each.
func (s *streamServer) write(n, size int) {
	tx := s.log.Begin()
	for i := range n {
		tx.Append(stream.Event{Type: "a", Data: fmt.Appendf(nil, `{"n":%d,"text":"%s"}`, i, strings.Repeat("x", size))})
	}
	tx.Commit()
	s.wakeFeed()
}

// A transaction comes whole: one of more events than a page has, and one that is too large to be kept in memory, from
// the feed or from the log. The pages beside it end before it.
func TestPageOfALargeTransaction(t *testing.T) {
	for name, feed := range map[string]stream.FeedOptions{"memory": {}, "log": {Bytes: 1, Fill: 1}} {
		t.Run(name, func(t *testing.T) {
			s := newStreamServer(t, streamServerOptions{feed: feed})
			s.log.PartSize = 7
			since := "?since=" + s.page("").Cursor
			s.write(1, 10)
			s.write(50, 10)
			s.write(1, 10)
			s.write(40, 20_000)
			s.write(1, 10)
			s.write(2, 300_000)
			s.write(3, 10)
			s.awaitFeed(98)
			for _, want := range []int{1, 50, 1, 40, 1, 2, 3} {
				p := s.page(since + "&max=4")
				if len(p.Events) != want || want != 3 && !p.More {
					t.Fatalf("%d events, more %t, want %d", len(p.Events), p.More, want)
				}
				since = "?since=" + p.Cursor
			}
			if n := s.api.PageBytesUsed(); n != 0 {
				t.Errorf("%d bytes are still reserved", n)
			}
		})
	}
}

// Without memory for pages they are smaller, and none is refused.
func TestPagesWithoutMemory(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) { o.PageBytes = 1 }})
	since := "?since=" + s.page("").Cursor
	for range 20 {
		s.write(1, 3000)
	}
	s.write(2, 30_000)
	s.awaitFeed(22)
	events, pages := 0, 0
	for more := true; more; pages++ {
		p := s.page(since)
		events, more, since = events+len(p.Events), p.More, "?since="+p.Cursor
		if len(p.body) > 20_000 && len(p.Events) > 2 {
			t.Errorf("a page of %d bytes", len(p.body))
		}
	}
	if events != 22 || pages < 4 {
		t.Errorf("%d events in %d pages", events, pages)
	}
}

// A client that does not read a large transaction is given up, and everything that it held.
func TestAbusePageThatIsNotRead(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) {
		oneSlot(o)
		o.Streams.WriteTimeout = 100 * time.Millisecond
	}})
	s.smallBuffers.Store(true)
	since := s.page("").Cursor
	s.write(20, 1_000_000)
	s.awaitFeed(20)
	conn := s.dial("GET /api/events?since=" + since + " HTTP/1.1\r\nHost: pgherald\r\nAccept: application/json\r\n\r\n")
	s.logs.await(t, 1, "page ended")
	s.awaitSlot()
	conn.Close()
	if n := s.api.PageBytesUsed(); n != 0 {
		t.Errorf("%d bytes are still reserved", n)
	}
}

// brokenLog has cursors, and no events.
type brokenLog struct{ *streamtest.Log }

func (brokenLog) Resume(context.Context, stream.Cursor) (stream.Reading, error) {
	return nil, errors.New("connection refused")
}

// A read of the log that fails is a 503 too, before anything says stale.
func TestPageOfALogThatFails(t *testing.T) {
	log := streamtest.NewLog("k3f9")
	s := newStreamServerOn(t, log, streamServerOptions{log: brokenLog{log}, feed: stream.FeedOptions{Bytes: 1, Fill: 1}})
	old := s.page("").Cursor
	for range 3 {
		s.commit("a")
	}
	s.awaitFeed(3)
	s.wantStatus(http.StatusServiceUnavailable, `"code":"stale"`, http.MethodGet, "?since="+old)
	s.logs.await(t, 1, "page not read", "connection refused")
}

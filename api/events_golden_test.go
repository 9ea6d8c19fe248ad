package api_test

import (
	"errors"
	"flag"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/stream"
)

var updateGolden = flag.Bool("update", false, "write the golden files anew")

// golden compares the bytes with those of a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *updateGolden {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s is missing: run with -update and look at it", file)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// is compares all that the listener got.
func (l *listener) is(name string) {
	l.Helper()
	golden(l.T, name, l.got.String())
}

func TestBytesOfALiveStream(t *testing.T) {
	s := newStation(t, stationOptions{})
	l := s.synced("")
	l.is("live")
	s.commit("activity_created")
	l.until("activity_created")
	s.commit("activity_updated", "assignment_changed", "activity_updated")
	l.until("id: ")
	l.is("events")
}

func TestBytesOfAResumedStream(t *testing.T) {
	s := newStation(t, stationOptions{})
	first := s.synced("")
	s.commit("a")
	seen := idOf(first.until("id: "))
	first.hangUp()
	s.commit("b", "b")
	s.commit("c")
	watch := s.synced("?since=" + seen)
	watch.until(`"c"`) // now all of it is in the feed
	for name, open := range map[string]func() *listener{
		"header":      func() *listener { return s.listen("", "Last-Event-ID", seen) },
		"lastEventId": func() *listener { return s.listen("?lastEventId=" + seen) },
		"since":       func() *listener { return s.listen("?since=" + seen) },
		"all":         func() *listener { return s.listen("?since=x&lastEventId=y", "Last-Event-ID", seen) },
	} {
		t.Run(name, func(t *testing.T) {
			l := open()
			l.until(`"c"`)
			l.is("resumed")
		})
	}
}

// A resume that memory cannot serve has the same bytes; filtered, it does not know the number.
func TestBytesOfAStreamResumedFromTheLog(t *testing.T) {
	s := newStation(t, stationOptions{feed: stream.FeedOptions{Bytes: 1, Fill: 1}})
	first := s.synced("")
	s.commit("a")
	seen := idOf(first.until("id: "))
	s.commit("b", "b")
	s.commit("c")
	first.until(`"c"`)
	l := s.listen("?since=" + seen)
	l.until(`"c"`)
	l.is("resumed")
	l = s.listen("?types=b&since=" + seen)
	l.until("id: ")
	l.until("id: ")
	l.is("resumed_filtered_from_log")
	if replays := s.feed.Stats().CatchUps; replays == 0 {
		t.Error("nothing was read from the log: the test shows nothing")
	}
}

func TestBytesOfHeartbeats(t *testing.T) {
	s := newStation(t, stationOptions{api: func(o *apiOptions) { o.Streams.Heartbeat = time.Millisecond }})
	l := s.listen("")
	l.until(`"heartbeat"`)
	l.is("heartbeat")
}

// A filter that lets the last event of a transaction not through moves its id to the last one that
// is sent; if none is sent, the next heartbeat has it.
func TestBytesOfAFilteredStream(t *testing.T) {
	s := newStation(t, stationOptions{api: func(o *apiOptions) { o.Streams.Heartbeat = 10 * time.Millisecond }})
	l := s.synced("?types=activity_updated,activity_created")
	at := idOf(l.got.String())
	for _, types := range [][]string{{"activity_created", "activity_updated", "assignment_changed"}, {"presence_updated"}} {
		s.commit(types...)
		at = l.past(at)
	}
	l.is("filtered")
}

// past reads until the cursor moves on, and forgets the heartbeats before, of which there may be
// any number.
func (l *listener) past(cursor string) string {
	l.Helper()
	for {
		before := l.got.Len()
		block := l.until("")
		switch id := idOf(block); {
		case id != "" && id != cursor:
			return id
		case strings.Contains(block, `"heartbeat"`):
			l.got.Truncate(before)
		}
	}
}

func TestBytesOfDraining(t *testing.T) {
	s := newStation(t, stationOptions{})
	l := s.synced("")
	s.commit("a")
	l.until("id: ")
	s.api.Drain(0)
	l.rest()
	l.is("draining")
	s.logs.await(t, 1, "stream closed", "reason=draining")
	late := s.listen("") // before the listening socket closes
	late.rest()
	late.is("draining_from_the_start")
}

func TestHeaders(t *testing.T) {
	s := newStation(t, stationOptions{})
	h := s.synced("", "Origin", "https://elsewhere.example").response.Header
	want := http.Header{
		"Content-Type":                  {"text/event-stream"},
		"Cache-Control":                 {"no-cache, no-transform"},
		"X-Accel-Buffering":             {"no"},
		"X-Content-Type-Options":        {"nosniff"},
		"Referrer-Policy":               {"no-referrer"},
		"Access-Control-Allow-Origin":   {"*"},
		"Access-Control-Expose-Headers": {"Pgherald-Cursor, Retry-After"},
		"Vary":                          {"Origin"},
		"Date":                          h["Date"],
	}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

// idOf returns the last id in the text, empty if there is none.
func idOf(text string) (id string) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, "id: "); ok {
			id = strings.TrimSuffix(value, "\n")
		}
	}
	return id
}

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

var updateGolden = flag.Bool("update", false, "overwrite the golden files")

// golden compares the text with a file in testdata.
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
		t.Fatalf("%s is missing: run with -update and review it", file)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// matchesGolden compares all received bytes with a golden file.
func (l *streamClient) matchesGolden(name string) {
	l.Helper()
	golden(l.T, name, l.received.String())
}

func TestBytesOfALiveStream(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	l := s.openSynced("")
	l.matchesGolden("live")
	s.commit("activity_created")
	l.readUntil("activity_created")
	s.commit("activity_updated", "assignment_changed", "activity_updated")
	l.readUntil("id: ")
	l.matchesGolden("events")
}

func TestBytesOfAResumedStream(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	first := s.openSynced("")
	s.commit("a")
	seen := idOf(first.readUntil("id: "))
	first.disconnect()
	s.commitTogether([]string{"b", "b"}, []string{"c"})
	watch := s.openSynced("?since=" + seen)
	watch.readUntil(`"c"`) // the feed has read all events
	for name, open := range map[string]func() *streamClient{
		"header":      func() *streamClient { return s.open("", "Last-Event-ID", seen) },
		"lastEventId": func() *streamClient { return s.open("?lastEventId=" + seen) },
		"since":       func() *streamClient { return s.open("?since=" + seen) },
		"all":         func() *streamClient { return s.open("?since=x&lastEventId=y", "Last-Event-ID", seen) },
	} {
		t.Run(name, func(t *testing.T) {
			l := open()
			l.readUntil(`"c"`)
			l.matchesGolden("resumed")
		})
	}
}

// A resume from the log has the same bytes as one from memory. With a filter, its number of events is unknown.
func TestBytesOfAStreamResumedFromTheLog(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{feed: stream.FeedOptions{Bytes: 1, Fill: 1}})
	first := s.openSynced("")
	s.commit("a")
	seen := idOf(first.readUntil("id: "))
	s.commit("b", "b")
	s.commit("c")
	first.readUntil(`"c"`)
	l := s.open("?since=" + seen)
	l.readUntil(`"c"`)
	l.matchesGolden("resumed")
	l = s.open("?types=b&since=" + seen)
	l.readUntil("id: ")
	l.readUntil("id: ")
	l.matchesGolden("resumed_filtered_from_log")
	if replays := s.feed.Stats().CatchUps; replays == 0 {
		t.Error("no client read the log: the test proves nothing")
	}
}

func TestBytesOfHeartbeats(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) { o.Streams.Heartbeat = time.Millisecond }})
	l := s.open("")
	l.readUntil(`"type":"heartbeat"`)
	l.matchesGolden("heartbeat")
}

// If a filter drops the last event of a transaction, the last event that is sent has the transaction's id. If it drops all,
// the next heartbeat has it.
func TestBytesOfAFilteredStream(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) { o.Streams.Heartbeat = 10 * time.Millisecond }})
	l := s.openSynced("?types=activity_updated,activity_created")
	at := idOf(l.received.String())
	for _, types := range [][]string{{"activity_created", "activity_updated", "assignment_changed"}, {"presence_updated"}} {
		s.commit(types...)
		at = l.readPast(at)
	}
	l.matchesGolden("filtered")
}

// readPast reads until the id differs from the cursor, and forgets earlier heartbeats, whose number varies.
func (l *streamClient) readPast(cursor string) string {
	l.Helper()
	for {
		before := l.received.Len()
		block := l.readUntil("")
		switch id := idOf(block); {
		case id != "" && id != cursor:
			return id
		case strings.Contains(block, `"type":"heartbeat"`):
			l.received.Truncate(before)
		}
	}
}

func TestBytesOfDraining(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	l := s.openSynced("")
	s.commit("a")
	l.readUntil("id: ")
	s.api.Drain(0)
	l.readToEnd()
	l.matchesGolden("draining")
	s.logs.await(t, 1, "stream closed", "reason=draining")
	late := s.open("") // accepted before the listening socket closes
	late.readToEnd()
	late.matchesGolden("draining_from_the_start")
}

func TestHeaders(t *testing.T) {
	if *compress {
		t.Skip("TestGzip checks the headers of a compressed stream")
	}
	s := newStreamServer(t, withOrigins("*"))
	h := s.openSynced("", "Origin", "https://elsewhere.example").response.Header
	want := http.Header{
		"Content-Type":                  {"text/event-stream"},
		"Cache-Control":                 {"no-cache, no-transform"},
		"X-Accel-Buffering":             {"no"},
		"X-Content-Type-Options":        {"nosniff"},
		"Referrer-Policy":               {"no-referrer"},
		"Access-Control-Allow-Origin":   {"*"},
		"Access-Control-Expose-Headers": {"Pgherald-Cursor, Retry-After"},
		"Vary":                          {"Origin", "Accept"},
		"Date":                          h["Date"],
	}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

// idOf returns the last id in the text, or "".
func idOf(text string) (id string) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, "id: "); ok {
			id = strings.TrimSuffix(value, "\n")
		}
	}
	return id
}

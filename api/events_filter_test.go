package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/stream"
)

// commitAbout commits one event about a row, with one field, and wakes the feed.
func (s *streamServer) commitAbout(kind, key, field, value string) {
	data, err := json.Marshal(map[string]string{field: value})
	if err != nil {
		s.Fatal(err)
	}
	tx := s.log.Begin()
	tx.Append(stream.Event{Type: kind, Key: key, Data: data})
	tx.Commit()
	s.wakeFeed()
}

// Filters apply live, from memory and from the log; two of the three clients have the same one.
func TestFiltersByKeyAndField(t *testing.T) {
	for name, feed := range map[string]stream.FeedOptions{"from memory": {}, "from the log": {Bytes: 1, Fill: 1}} {
		t.Run(name, func(t *testing.T) {
			s := newStreamServer(t, streamServerOptions{feed: feed})
			const hq, both = "?where.location=HQ&key=1&key=2", "?key=2&key=1&where.location=Annex&where.location=HQ"
			from := idOf(s.openSynced("").received.String())
			live := []*streamClient{s.openSynced(hq), s.openSynced(hq), s.openSynced(both)}
			all := s.openSynced("")
			s.commitAbout("a", "1", "location", "HQ")
			s.commitAbout("a", "1", "location", "Annex")
			s.commitAbout("a", "3", "location", "HQ")
			s.commitAbout("a", "2", "building", "HQ")
			s.commitAbout("b", "2", "location", "HQ")
			all.readUntil(`"type":"b"`)
			since := []*streamClient{s.open(hq + "&since=" + from), s.open(both + "&since=" + from)}
			for i, l := range append(live, since...) {
				l.readUntil(`"type":"b"`)
				want := `{"location":"HQ"} {"location":"HQ"}`
				if i == 2 || i == 4 {
					want = `{"location":"HQ"} {"location":"Annex"} {"location":"HQ"}`
				}
				if got := strings.Join(l.payloads(), " "); got != want {
					t.Errorf("client %d received %s", i, got)
				}
			}
		})
	}
}

// payloads returns the data of the received events of the log.
func (l *streamClient) payloads() []string {
	l.Helper()
	var out []string
	for line := range strings.SplitSeq(l.received.String(), "\n") {
		text, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var e struct {
			ID   int64
			Data json.RawMessage
		}
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			l.Fatal(err)
		}
		if e.ID != 0 {
			out = append(out, string(e.Data))
		}
	}
	return out
}

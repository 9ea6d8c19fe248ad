package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/stream"
)

// commitQuietly commits a transaction with an event of each type about the key, without waking the feed.
func (s *streamServer) commitQuietly(key string, types ...string) {
	tx := s.log.Begin()
	for _, kind := range types {
		tx.Append(stream.Event{Type: kind, Key: key, Data: json.RawMessage(`{"of":"` + key + `"}`)})
	}
	tx.Commit()
}

// A resumed batch stream receives the missed events as one batch with the id of the last transaction.
func TestBytesOfABatch(t *testing.T) {
	for name, feed := range map[string]stream.FeedOptions{"memory": {}, "log": {Bytes: 1, Fill: 1}} {
		t.Run(name, func(t *testing.T) {
			s := newStreamServer(t, streamServerOptions{feed: feed})
			all := s.openSynced("")
			from := idOf(all.received.String())
			s.commitQuietly("1", "a", "b")
			s.commitQuietly("2", "a")
			s.commitQuietly("3", "c")
			s.wakeFeed()
			all.readUntil(`"c"`)
			l := s.open("?batch=10ms&types=a,b&since=" + from)
			l.readUntil(`"batch"`)
			l.matchesGolden("batch_" + name)
		})
	}
}

// The events of a window are one batch. None is lost, repeated or outside a batch.
func TestBatchesLive(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	began := time.Now()
	l := s.openSynced("?batch=50ms&types=a,end")
	want := 0
	for range 20 {
		for range 10 {
			s.commitQuietly("1", "a", "b", "a")
			want += 2
		}
		s.wakeFeed()
	}
	s.commit("end")
	l.readUntil(`"end"`)
	got, batches := 0, 0
	for line := range strings.Lines(l.received.String()) {
		text, ok := strings.CutPrefix(line, "data: ")
		if !ok || strings.Contains(line, `"sync"`) {
			continue
		}
		var e struct {
			Type string
			Data struct{ Events []json.RawMessage }
		}
		if err := json.Unmarshal([]byte(text), &e); err != nil || e.Type != "batch" {
			t.Fatalf("%s, %v", text, err)
		}
		batches++
		got += len(e.Data.Events)
	}
	// The feed reads at most once for each wake-up, and once a second without.
	if most := 21 + int(time.Since(began)/time.Second) + 1; got != want+1 || batches > most {
		t.Errorf("%d events in %d batches, want %d in at most %d", got, batches, want+1, most)
	}
}

func TestAudiencesOfBatches(t *testing.T) {
	for name, feed := range map[string]stream.FeedOptions{"memory": {}, "log": {Bytes: 1, Fill: 1}} {
		t.Run(name, func(t *testing.T) {
			s := newStreamServer(t, streamServerOptions{feed: feed, api: func(o *apiOptions) { o.add(api.Auth{Authenticator: fourUsers()}) }})
			live := s.openSynced("?batch=10ms&conflate=1", "Test-User", "eve")
			from := idOf(live.received.String())
			other := s.openSynced("?batch=10ms&conflate=1", "Test-User", "ann")
			s.commitFor([]string{"role:nurse"}, []string{"user:eve"})
			s.commitFor([]string{"user:ann"})
			s.commitFor(nil)
			other.readUntil(`"all"`)
			for _, l := range []*streamClient{live, s.open("?batch=10ms&since="+from, "Test-User", "eve")} {
				l.readUntil(`"all"`)
				if got := l.received.String(); strings.Contains(got, "nurse") || strings.Contains(got, "ann") || !strings.Contains(got, "user:eve") {
					t.Errorf("eve received %s", got)
				}
			}
			if got := other.received.String(); strings.Contains(got, "user:eve") || !strings.Contains(got, "nurse") || !strings.Contains(got, "user:ann") {
				t.Errorf("ann received %s", got)
			}
		})
	}
}

// A conflated resume receives the newest missed event of each type and key, and all events without a key.
func TestBytesOfConflation(t *testing.T) {
	for name, feed := range map[string]stream.FeedOptions{"memory": {}, "log": {Bytes: 1, Fill: 1}} {
		t.Run(name, func(t *testing.T) {
			s := newStreamServer(t, streamServerOptions{feed: feed})
			all := s.openSynced("")
			from := idOf(all.received.String())
			for range 3 {
				s.commitQuietly("1", "a", "a")
				s.commitQuietly("2", "a", "b")
				s.commitQuietly("", "a")
			}
			s.commitQuietly("1", "end")
			s.wakeFeed()
			all.readUntil(`"end"`)
			l := s.open("?conflate=1&since=" + from)
			l.readUntil(`"end"`)
			l.matchesGolden("conflated")
			s.commitQuietly("2", "a")
			s.wakeFeed()
			l.readUntil(`"of":"2"`)
		})
	}
}

// A client that pauses reading receives the newest events when it continues, not all that it missed.
func TestConflationOfASlowClient(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	s.smallBuffers.Store(true)
	slow := s.openSynced("?conflate=1")
	s.smallBuffers.Store(false)
	watch := s.openSynced("")
	const events, size = 3000, 8 << 10
	payload := json.RawMessage(`"` + strings.Repeat("x", size) + `"`)
	for range events {
		tx := s.log.Begin()
		tx.Append(stream.Event{Type: "a", Key: "1", Data: payload})
		tx.Commit()
		s.wakeFeed()
	}
	s.commit("end")
	watch.readUntil(`"end"`)
	slow.readUntil(`"end"`)
	if got := strings.Count(slow.received.String(), `"type":"a"`); got == 0 || got >= events {
		t.Errorf("got %d events of %d", got, events)
	}
}

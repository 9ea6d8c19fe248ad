package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/pgtest"
)

// eventSource behaves like a browser's EventSource: it reconnects with its last id when a connection fails or ends, and an
// answer that is no stream ends it for ever.
type eventSource struct {
	t       *testing.T
	url     string
	client  *http.Client
	changed *counter

	mu       sync.Mutex // guards the fields below, and url
	cursor   string
	retry    time.Duration
	events   []int64 // ids in the log, without those that came again within a transaction
	partial  map[int64]bool
	modes    map[string]int // of sync events
	beats    int            // heartbeats while the stream said that it is stale
	isStale  bool
	opens    int
	failures int
	fatal    error
	now      func() time.Duration
	last     time.Duration // of now, when the last line came
	longest  time.Duration // without a byte
}

// openEventSource opens an EventSource. The end of the test closes it.
func openEventSource(ctx context.Context, t *testing.T, url string) *eventSource {
	t.Helper()
	return openEventSourceWith(ctx, t, url, newHTTPClient(t))
}

func openEventSourceWith(ctx context.Context, t *testing.T, url string, client *http.Client) *eventSource {
	s := &eventSource{t: t, url: url, client: client, changed: newCounter(), retry: time.Second, modes: map[string]int{}, partial: map[int64]bool{}}
	began := time.Now()
	s.now = func() time.Duration { return time.Since(began) }
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil && s.fatal == nil {
			s.connect(ctx)
			pause(ctx, s.retry)
		}
	}()
	t.Cleanup(func() {
		cancel()
		pgtest.Within(t, "the end of an EventSource", func() { <-done })
	})
	return s
}

// connect makes one connection and reads it to its end.
func (s *eventSource) connect(ctx context.Context) {
	s.mu.Lock()
	url := s.url
	s.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		s.change(func() { s.fatal = err })
		return
	}
	if s.cursor != "" {
		req.Header.Set("Last-Event-ID", s.cursor)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.change(func() { s.failures++ })
		return
	}
	defer resp.Body.Close()
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode != http.StatusOK || kind != "text/event-stream" {
		s.change(func() { s.fatal = fmt.Errorf("the answer %s of type %q", resp.Status, kind) })
		return
	}
	s.change(func() { s.opens++; s.last = s.now() })
	lines, id, data := bufio.NewScanner(resp.Body), "", ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		s.change(func() {
			now := s.now()
			s.longest, s.last = max(s.longest, now-s.last), now
			switch name {
			case "id":
				id = value
			case "data":
				data = value
			case "retry":
				if ms, err := strconv.Atoi(value); err == nil {
					s.retry = time.Duration(ms) * time.Millisecond
				}
			case "":
				s.dispatch(id, data)
				id, data = "", ""
			}
		})
	}
}

// dispatch handles one event. The caller holds mu.
func (s *eventSource) dispatch(id, data string) {
	var e struct {
		ID   int64
		Type string
		Data struct {
			Mode   string
			Events json.RawMessage // a number in sync events
		}
	}
	if data == "" {
		return
	}
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		s.fatal = fmt.Errorf("decode %q: %w", data, err)
	}
	switch e.Type {
	case "sync":
		s.modes[e.Data.Mode]++
		s.isStale = e.Data.Mode == "stale"
	case "heartbeat":
		if s.isStale {
			s.beats++
		}
	case "batch":
		var inside []struct{ ID int64 }
		if err := json.Unmarshal(e.Data.Events, &inside); err != nil {
			s.fatal = fmt.Errorf("decode %q: %w", data, err)
		}
		for _, e := range inside {
			s.add(e.ID)
		}
	default:
		s.add(e.ID)
	}
	if id != "" && id != s.cursor {
		s.cursor = id
		clear(s.partial)
	}
}

func (s *eventSource) add(id int64) {
	if !s.partial[id] {
		s.events = append(s.events, id)
	}
	s.partial[id] = true
}

func (s *eventSource) change(do func()) {
	s.mu.Lock()
	do()
	s.mu.Unlock()
	s.changed.add()
}

func (s *eventSource) count(of func() int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return of()
}

// await waits until the condition, which it calls with mu held, is true.
func (s *eventSource) await(ctx context.Context, what string, holds func() bool) {
	s.t.Helper()
	for {
		seen := s.changed.value()
		s.mu.Lock()
		ok, fatal := holds(), s.fatal
		s.mu.Unlock()
		if fatal != nil {
			s.t.Fatalf("wait for %s: the EventSource has ended for ever: %v", what, fatal)
		}
		if ok {
			return
		}
		if err := s.changed.reach(ctx, seen+1); err != nil {
			s.t.Fatalf("wait for %s: %v: %+v", what, err, s.modes)
		}
	}
}

// awaitEvents waits until that many events have come.
func (s *eventSource) awaitEvents(ctx context.Context, n int) {
	s.t.Helper()
	s.await(ctx, fmt.Sprint(n, " events"), func() bool { return len(s.events) >= n })
}

// check checks that n events came, each once and in order.
func (s *eventSource) check(n int) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.events) != n || s.fatal != nil || s.modes["reset"] > 0 {
		s.t.Errorf("%s received %v (%v, %v), want %d events", s.url, s.events, s.modes, s.fatal, n)
	}
	for i := 1; i < len(s.events); i++ {
		if s.events[i] <= s.events[i-1] {
			s.t.Errorf("%s received %v", s.url, s.events)
		}
	}
}

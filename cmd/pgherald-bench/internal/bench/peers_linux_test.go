package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestPositionOfCentrifugo(t *testing.T) {
	t.Parallel()
	position := ""
	for _, step := range []struct{ line, want string }{
		{`data: {"connect":{"client":"c","subs":{"bench":{"recoverable":true,"epoch":"xyz","positioned":true}}}}`, `{"recover":true,"epoch":"xyz","offset":0}`},
		{"", `{"recover":true,"epoch":"xyz","offset":0}`},
		{`data: {"channel":"bench","pub":{"data":{"n": 1},"offset":7}}`, `{"recover":true,"epoch":"xyz","offset":7}`},
		{`data: {"connect":{"subs":{"bench":{"epoch":"abc","offset":9,"publications":[{"offset":8},{"offset":9}]}}}}`, `{"recover":true,"epoch":"abc","offset":9}`},
	} {
		if position = positionOfCentrifugo(step.line, position); position != step.want {
			t.Fatalf("after %q the position is %s, want %s", step.line, position, step.want)
		}
	}
}

// TestFollower follows a stream, and returns to it: what the server does not send counts as lost.
func TestFollower(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first, last := 1, 2
		if r.Header.Get("Last-Event-ID") == "at-2" {
			first, last = 4, 6 // 3 is lost
		}
		for n := first; n <= last; n++ {
			fmt.Fprintf(w, "id: at-%d\ndata: {\"n\" : %d}\n\n", n, n)
		}
		if first == 1 {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	}))
	defer server.Close()
	s := &subject{name: ours, addr: strings.TrimPrefix(server.URL, "http://"), path: "/"}
	s.position, s.resume = s.positionOfID, s.resumeAfterID
	f := &follower{s: s}
	opened := 0
	open := func() error { opened++; return nil }
	if err := f.follow(context.Background(), 1, 2, time.Hour, open); err != nil || f.position != "at-2" || len(f.seen) != 2 {
		t.Fatalf("%v: saw %v, at %q", err, f.seen, f.position)
	}
	if err := f.follow(context.Background(), 3, 4, time.Hour, open); err != nil || len(f.seen) != 3 || f.seen[3] || opened != 2 {
		t.Fatalf("%v: saw %v after %d streams, want 4 to 6 after two", err, f.seen, opened)
	}
}

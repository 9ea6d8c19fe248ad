package sse

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

func newTestServer(t *testing.T, goroutines bool) *Server {
	t.Helper()
	f := stream.NewFeed(streamtest.NewLog("k3f9"), stream.FeedOptions{})
	if err := f.Fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{
		Feed: f, Heartbeat: time.Hour, WriteTimeout: time.Hour, Now: time.Now, Retry: func() int { return 2713 },
		Logger: slog.New(slog.DiscardHandler), Goroutines: goroutines,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestServerStartsNothingBeforeRun(t *testing.T) {
	for name, goroutines := range map[string]bool{"epoll": false, "goroutines": true} {
		t.Run(name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			s := newTestServer(t, goroutines)
			if err := goleak.Find(before); err != nil {
				t.Error(err)
			}
			s.Close()
			s.Close()
		})
	}
}

func TestRunReturnsWhenItsContextEndsOrTheServerCloses(t *testing.T) {
	for name, goroutines := range map[string]bool{"epoll": false, "goroutines": true} {
		t.Run(name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			for _, end := range []func(s *Server, cancel func()){
				func(_ *Server, cancel func()) { cancel() },
				func(s *Server, _ func()) { s.Close() },
			} {
				s := newTestServer(t, goroutines)
				ctx, cancel := context.WithCancel(context.Background())
				var running sync.WaitGroup
				running.Go(func() { s.Run(ctx) })
				end(s, cancel)
				running.Wait()
				if s.streams.add() {
					t.Error("a server that has ended accepts a stream")
				}
				s.Close()
				cancel()
			}
			if err := goleak.Find(before); err != nil {
				t.Error(err)
			}
		})
	}
}

// net/http keeps a request for as long as its stream lasts. Its headers, which may be large, do not stay with it.
func TestStreamsKeepNoHeaders(t *testing.T) {
	s := newTestServer(t, true)
	defer s.Close()
	s.opts.Meter = noMeters{}
	handler := ServeOutermost(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sub, sync := s.opts.Feed.SubscribeReset(stream.Filter{}, stream.ResetMalformed)
		s.Serve(&Response{w: w, r: r}, &Stream{Sub: sub, Sync: sync, Owner: ignoredOwner{}})
	}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // so that the stream ends with the first event
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/events?types=x", nil)
	r.Header.Set("Cookie", "large")
	handler.ServeHTTP(deadlineRecorder{httptest.NewRecorder()}, r)
	if r.Header != nil || r.URL.RawQuery != "" || r.RequestURI != "" {
		t.Errorf("the stream keeps %v, %v, %s", r.Header, r.URL, r.RequestURI)
	}
}

type ignoredOwner struct{}

func (ignoredOwner) Close(End) {}

// deadlineRecorder has deadlines, as net/http's writers do.
type deadlineRecorder struct{ *httptest.ResponseRecorder }

func (deadlineRecorder) SetWriteDeadline(time.Time) error { return nil }

func TestStreamCountCanBeWaitedForWhileStreamsAreAdded(t *testing.T) {
	var c streamCount
	<-c.none()
	c.add()
	none := c.none()
	c.add()
	c.remove()
	select {
	case <-none:
		t.Fatal("none is closed while a stream is open")
	default:
	}
	c.close()
	if c.add() {
		t.Error("a stream was added after close")
	}
	c.remove()
	<-none
}

func TestCloseReasons(t *testing.T) {
	for _, reason := range CloseReasons() {
		if got := reasonOf(reason); got != reason {
			t.Errorf("reason of %v: got %v", reason, got)
		}
	}
	if e := newEnd(context.DeadlineExceeded, 0, 0, 0); e.Reason != CloseOther || e.Err == nil {
		t.Errorf("end by another error: got %+v, want the reason other and the error", e)
	}
	if e := newEnd(CloseSlow, 0, 0, 0); e.Err != nil {
		t.Errorf("end of a slow client: got the error %v, want none", e.Err)
	}
}

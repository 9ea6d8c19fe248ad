package sse

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
	"github.com/pgherald/pgherald/stream/streamtest"
)

var errDown = errors.New("connection refused")

// outageTest is a goroutine's stream in a bubble of synctest, on a server that watches its feed.
type outageTest struct {
	*testing.T
	log    *streamtest.Log
	feed   *stream.Feed
	server *Server
	out    *timedRecorder
	ended  chan error
}

// timedRecorder is a response without a network that keeps the time of each frame.
type timedRecorder struct {
	recorder
	mu     sync.Mutex
	began  time.Time
	frames []timedFrame
}

type timedFrame struct {
	at   time.Duration
	text string
}

func (r *timedRecorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frames = append(r.frames, timedFrame{time.Since(r.began), string(b)})
	return len(b), nil
}

// with returns the times of the frames that contain the text.
func (r *timedRecorder) with(text string) (times []time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.frames {
		if strings.Contains(f.text, text) {
			times = append(times, f.at)
		}
	}
	return times
}

// runOutage opens a stream after the cursor, unchecked if it is not zero, calls do, and closes everything.
func runOutage(t *testing.T, opts Options, feed stream.FeedOptions, cursor func(*streamtest.Log, *stream.Feed) stream.Cursor, filter stream.Filter, do func(*outageTest)) {
	synctest.Test(t, func(t *testing.T) {
		o := &outageTest{T: t, log: streamtest.NewLog("k3f9"), ended: make(chan error, 1)}
		o.feed = stream.NewFeed(o.log, feed)
		if err := o.feed.Fill(t.Context()); err != nil {
			t.Fatal(err)
		}
		opts.Feed, opts.Meter, opts.Now, opts.Goroutines, opts.WriteTimeout = o.feed, noMeters{}, time.Now, true, time.Minute
		opts.Logger = slog.New(slog.DiscardHandler)
		if opts.Heartbeat == 0 {
			opts.Heartbeat = 30 * time.Second
		}
		var err error
		if o.server, err = New(opts); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { o.server.Run(ctx) })
		running.Go(func() { o.feed.Run(ctx, make(chan struct{})) })
		sub, first, err := o.feed.Subscribe(ctx, stream.Cursor{}, filter)
		if cursor != nil {
			sub, first = o.feed.SubscribeUnchecked(cursor(o.log, o.feed), filter), stream.Stale(time.Now())
		}
		if err != nil {
			t.Fatal(err)
		}
		o.out = &timedRecorder{recorder: recorder{httptest.NewRecorder()}, began: time.Now()}
		o.server.streams.add()
		g := &goroutine{server: o.server, stream: &Stream{Sub: sub, Sync: first, Owner: ownerOf(func(e End) { o.ended <- reasonError(e) })}, w: o.out, began: time.Now()}
		running.Go(func() { g.serve(ctx) })
		do(o)
		cancel()
		running.Wait()
	})
}

// ownerOf is an Owner that calls a function.
type ownerOf func(End)

func (f ownerOf) Close(e End) { f(e) }

func reasonError(e End) error {
	if e.Err != nil {
		return e.Err
	}
	return e.Reason
}

func (o *outageTest) wait(d time.Duration) {
	time.Sleep(d) // fake time
	synctest.Wait()
}

// checkSilence fails if the stream was silent for longer than limit up to now.
func (o *outageTest) checkSilence(limit time.Duration) {
	o.Helper()
	last := time.Duration(0)
	for _, at := range append(o.out.with(""), time.Since(o.out.began)) {
		if at-last > limit {
			o.Errorf("silent from %v to %v", last, at)
		}
		last = at
	}
}

// A client learns after 5 s that the log cannot be read, again and again, and that it is read; nothing is lost. A batch
// window or a filter changes nothing.
func TestGoroutineSaysStale(t *testing.T) {
	for name, filter := range map[string]stream.Filter{
		"plain": {}, "batch": stream.Filter{}.Batched(10 * time.Second), "conflate": stream.Filter{}.Conflated(),
	} {
		t.Run(name, func(t *testing.T) {
			runOutage(t, Options{}, stream.FeedOptions{}, nil, filter, func(o *outageTest) {
				o.wait(500 * time.Millisecond)
				o.log.Break(errDown)
				tx := o.log.Begin()
				tx.Write("during", "row")
				tx.Commit()
				o.wait(73 * time.Second)
				stale := o.out.with(`{"mode":"stale","since":"2000-01-01T00:00:00.`)
				if len(stale) < 8 || len(stale) > 12 || stale[0] < 5*time.Second || stale[0] > 5700*time.Millisecond {
					t.Errorf("said stale at %v", stale)
				}
				if beats := o.out.with(`"type":"heartbeat"`); len(beats) > 0 {
					t.Errorf("heartbeats at %v, while the log was not read", beats)
				}
				o.checkSilence(10 * time.Second)
				o.log.Break(nil)
				o.wait(12 * time.Second)
				if live := o.out.with(`{"mode":"live"`); len(live) != 2 {
					t.Errorf("said live at %v, want at the start and after the outage", live)
				}
				if got := o.out.with(`"during"`); len(got) != 1 {
					t.Errorf("the event came at %v", got)
				}
				o.wait(time.Minute)
				if beats := o.out.with(`"type":"heartbeat"`); len(beats) != 2 {
					t.Errorf("heartbeats at %v, want two in a minute", beats)
				}
			})
		})
	}
}

// A stream ends after the limit if there is another server, and only then.
func TestGoroutineEndsStaleStreams(t *testing.T) {
	for name, c := range map[string]struct {
		limit time.Duration
		other bool
		ends  bool
	}{
		"another server": {30 * time.Second, true, true}, "alone": {30 * time.Second, false, false}, "no limit": {0, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			opts := Options{StaleLimit: c.limit, HasAlternative: func() bool { return c.other }}
			runOutage(t, opts, stream.FeedOptions{}, nil, stream.Filter{}, func(o *outageTest) {
				o.log.Break(errDown)
				o.wait(29 * time.Second)
				if o.server.IsStaleBeyondLimit() || len(o.ended) != 0 {
					t.Errorf("after 29 s: beyond the limit %t, %d ended", o.server.IsStaleBeyondLimit(), len(o.ended))
				}
				o.wait(pacing.StaleSpread + 2*time.Second)
				if o.server.IsStaleBeyondLimit() != c.ends || len(o.ended) == 1 != c.ends {
					t.Fatalf("after 35 s: beyond the limit %t, %d ended", o.server.IsStaleBeyondLimit(), len(o.ended))
				}
				if !c.ends {
					return
				}
				if err := <-o.ended; !errors.Is(err, CloseStale) {
					t.Errorf("ended with %v", err)
				}
				if last := o.out.frames[len(o.out.frames)-1].text; !strings.HasPrefix(last, "retry: ") || !strings.Contains(last, `"stale"`) {
					t.Errorf("the last frame is %q", last)
				}
			})
		})
	}
}

// A stream whose cursor only the log can honour waits for the log, says that it does, and receives everything once. The
// limit counts from its beginning, so that it does not end at once where no server can read the log.
func TestGoroutineResumesAfterAnOutage(t *testing.T) {
	opts := Options{StaleLimit: 30 * time.Second, HasAlternative: func() bool { return true }}
	before := func(log *streamtest.Log, feed *stream.Feed) stream.Cursor {
		head := feed.Head()
		for range 3 {
			tx := log.Begin()
			tx.Write("before", "row")
			tx.Commit()
		}
		time.Sleep(2 * time.Second) // the feed has read and evicted them
		log.Break(errDown)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		return head
	}
	runOutage(t, opts, stream.FeedOptions{Bytes: 1, Fill: 1}, before, stream.Filter{}, func(o *outageTest) {
		o.wait(27 * time.Second) // the next read after the repair comes before the limit
		if len(o.ended) != 0 {
			t.Error("the stream ended before it was stale for the limit")
		}
		o.checkSilence(10 * time.Second)
		o.log.Break(nil)
		o.wait(3 * time.Second)
		if got := o.out.with(`"before"`); len(got) != 3 {
			t.Errorf("the events came at %v, want three", got)
		}
		if got := o.out.with(`{"mode":"live"}`); len(got) != 1 {
			t.Errorf("said live at %v, want once", got)
		}
		o.wait(time.Minute)
		if len(o.ended) != 0 {
			t.Error("the stream ended although the log is read again")
		}
	})
}

package stream_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// lateLog answers each read after a time that depends on the time since it was made; a negative one is an error.
type lateLog struct {
	*streamtest.Log
	began time.Time
	delay func(at time.Duration) time.Duration
}

var errRefused = errors.New("connection refused")

func (l *lateLog) Read(ctx context.Context, from stream.Cursor) (stream.Reading, error) {
	d := l.delay(time.Since(l.began))
	if d < 0 {
		return nil, errRefused
	}
	select {
	case <-time.After(d):
		return l.Log.Read(ctx, from)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Each case says between which times the feed is stale, in seconds since the start; the log fails or is late from
// 10.5 s on. A read may be late by 4 s without an effect.
func TestFreshness(t *testing.T) {
	during := func(from, to time.Duration, d time.Duration) func(time.Duration) time.Duration {
		return func(at time.Duration) time.Duration {
			if at < from || at > to {
				return 0
			}
			return d
		}
	}
	always := func(d time.Duration) func(time.Duration) time.Duration { return during(0, time.Hour, d) }
	const begin, end = 10500 * time.Millisecond, 60 * time.Second
	for name, c := range map[string]struct {
		delay           func(time.Duration) time.Duration
		earliest, until time.Duration // 0 if the feed must never be stale
	}{
		"idle":                {always(0), 0, 0},
		"slow":                {always(4 * time.Second), 0, 0},
		"slow for a while":    {during(begin, end, 4*time.Second), 0, 0},
		"one read takes 4 s":  {during(begin, 11100*time.Millisecond, 4*time.Second), 0, 0},
		"refused":             {during(begin, end, -1), 15 * time.Second, 61 * time.Second},
		"refused for 3 s":     {during(begin, 13500*time.Millisecond, -1), 0, 0},
		"one read takes 10 s": {during(begin, 11100*time.Millisecond, 10*time.Second), 15 * time.Second, 21 * time.Second},
		"no answer":           {during(begin, 11100*time.Millisecond, 5*time.Minute), 15 * time.Second, 5 * time.Minute},
		"refused, then no answer": {func(at time.Duration) time.Duration {
			if at > begin && at < 13*time.Second {
				return -1
			}
			return during(13*time.Second, 13500*time.Millisecond, time.Minute)(at)
		}, 15 * time.Second, 73 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &lateLog{Log: streamtest.NewLog("e1"), began: time.Now(), delay: c.delay}
				feed := newFeed(t, log, stream.FeedOptions{})
				log.began = time.Now()
				_, stop := startFeed(feed)
				defer stop()
				var first, last time.Duration
				for at := time.Duration(0); at < 4*time.Minute; at = time.Since(log.began) {
					if feed.Freshness().IsStale {
						if first == 0 {
							first = at
						}
						last = at
					}
					time.Sleep(10 * time.Millisecond)
				}
				switch {
				case c.earliest == 0 && first != 0:
					t.Errorf("stale from %v to %v, want never", first, last)
				case c.earliest != 0 && (first < c.earliest || first > c.earliest+600*time.Millisecond || last > c.until+100*time.Millisecond):
					t.Errorf("stale from %v to %v, want from %v to %v", first, last, c.earliest, c.until)
				}
			})
		})
	}
}

// A long read whose pages arrive is not an outage.
func TestLongReadIsFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.NewLog("e1")
		log.PartSize = 1
		feed := newFeed(t, &slowPages{log}, stream.FeedOptions{})
		write(log, 30)
		wakeUps, stop := startFeed(feed)
		defer stop()
		changed := feed.Changed()
		wakeUps <- struct{}{}
		began := time.Now()
		for {
			select {
			case <-changed:
				if took := time.Since(began); took < 50*time.Second {
					t.Errorf("the read took %v: the test proves nothing", took)
				}
				return
			default:
			}
			if feed.Freshness().IsStale {
				t.Fatalf("stale after %v", time.Since(began))
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

// slowPages takes 2 s for each part.
type slowPages struct{ *streamtest.Log }

type slowReading struct{ stream.Reading }

func (l *slowPages) Read(ctx context.Context, from stream.Cursor) (stream.Reading, error) {
	r, err := l.Log.Read(ctx, from)
	return slowReading{r}, err
}

func (r slowReading) Next(ctx context.Context, wants stream.Interest) (stream.Transaction, error) {
	time.Sleep(2 * time.Second)
	return r.Reading.Next(ctx, wants)
}

// copyLog is a log of which a copy answers, each time after a while. The copy is complete until the log goes away.
type copyLog struct {
	*streamtest.Log
	takes  time.Duration
	goneAt time.Time
}

func (l *copyLog) Read(ctx context.Context, from stream.Cursor) (stream.Reading, error) {
	time.Sleep(l.takes)
	return l.Log.Read(ctx, from)
}

func (l *copyLog) Delay() time.Duration {
	return max(time.Since(l.goneAt), 400*time.Millisecond)
}

// The feed of a copy that is no longer completed becomes stale, and stays so while it reads the copy. The time of the outage
// varies against that of the reads.
func TestFreshnessOfACopy(t *testing.T) {
	for _, takes := range []time.Duration{0, 300 * time.Millisecond, 2 * time.Second, 4 * time.Second} {
		for gone := 10 * time.Second; gone <= 12*time.Second; gone += 50 * time.Millisecond {
			synctest.Test(t, func(t *testing.T) {
				log := &copyLog{Log: streamtest.NewLog("e1"), takes: takes, goneAt: time.Now().Add(time.Hour)}
				feed := newFeed(t, log, stream.FeedOptions{})
				log.goneAt = time.Now().Add(gone)
				_, stop := startFeed(feed)
				defer stop()
				look := func(until time.Duration, isRight func(isStale bool) bool) {
					for began := time.Now(); time.Since(began) < until; time.Sleep(10 * time.Millisecond) {
						if stale := feed.Freshness().IsStale; !isRight(stale) {
							t.Fatalf("reads take %v, the log went away after %v: stale is %v, %v later", takes, gone, stale, time.Since(began))
						}
					}
				}
				look(gone, func(isStale bool) bool { return !isStale })
				wasStale := false
				look(30*time.Second, func(isStale bool) bool {
					isRight := isStale || !wasStale && time.Since(log.goneAt) < 6*time.Second
					wasStale = isStale
					return isRight
				})
			})
		}
	}
}

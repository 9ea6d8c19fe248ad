package stream_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// follow runs the feed's loop for as long as the test.
func follow(_ *testing.T, f *stream.Feed) (wake chan struct{}, stop func()) {
	wake = make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx, wake) })
	return wake, func() { cancel(); running.Wait() }
}

// passAt returns a schedule whose next fan-out pass is at the given time.
func passAt(at time.Time) *pacing.Schedule {
	s := pacing.NewSchedule()
	s.NewPassTime().Set(at)
	return s
}

func TestFollowReadsWhenWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.NewLog("e1")
		feed := newFeed(t, log, stream.FeedOptions{})
		wake, stop := follow(t, feed)
		defer stop()
		changed := feed.Changed()
		write(log, 1)
		wake <- struct{}{}
		began := time.Now()
		<-changed
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited %v", waited)
		}
		time.Sleep(5 * time.Second) // fake time: several fallback reads
		synctest.Wait()
		if s := feed.Stats(); s.Unannounced != 0 || s.Events != 1 {
			t.Errorf("got %+v", s)
		}
	})
}

// While nobody would read the feed, the log is not read either; then once, shortly before.
func TestFollowReadsForTheNextPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.NewLog("e1")
		began := time.Now()
		feed := newFeed(t, log, stream.FeedOptions{Schedule: passAt(began.Add(45 * time.Millisecond))})
		wake, stop := follow(t, feed)
		defer stop()
		changed := feed.Changed()
		for range 3 {
			write(log, 1)
			wake <- struct{}{}
			synctest.Wait()
		}
		<-changed
		if waited := time.Since(began); waited < 40*time.Millisecond || waited >= 45*time.Millisecond {
			t.Errorf("the log was read after %v", waited)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if s := feed.Stats(); s.Unannounced != 0 || s.Events != 3 {
			t.Errorf("got %+v", s)
		}
	})
}

// countedLog counts how often it is read.
type countedLog struct {
	stream.Log
	reads atomic.Int32
}

func (l *countedLog) Read(ctx context.Context, from stream.Cursor) (stream.Reading, error) {
	l.reads.Add(1)
	return l.Log.Read(ctx, from)
}

// One reading does for all who rang before it, also for those who rang while it waited.
func TestFollowReadsOnceForAllWhoRang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &countedLog{Log: streamtest.NewLog("e1")}
		feed := newFeed(t, log, stream.FeedOptions{Schedule: passAt(time.Now().Add(45 * time.Millisecond))})
		filled := log.reads.Load()
		wake, stop := follow(t, feed)
		defer stop()
		for range 2 { // the first is taken, the second waits
			wake <- struct{}{}
			synctest.Wait()
		}
		time.Sleep(100 * time.Millisecond) // fake time
		synctest.Wait()
		if n := log.reads.Load() - filled; n != 1 {
			t.Errorf("the log was read %d times", n)
		}
	})
}

func TestFollowFindsWhatNobodyAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.NewLog("e1")
		feed := newFeed(t, log, stream.FeedOptions{})
		_, stop := follow(t, feed)
		defer stop()
		changed := feed.Changed()
		began := time.Now()
		write(log, 3)
		<-changed
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("waited %v", waited)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := feed.Stats().Unannounced; got != 3 {
			t.Errorf("counted %d unannounced events, want 3", got)
		}
	})
}

// The notification may arrive just after a fallback read has found its event: that is no miss.
func TestFollowForgivesAReadThatWasFasterThanItsNotification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.NewLog("e1")
		feed := newFeed(t, log, stream.FeedOptions{})
		wake, stop := follow(t, feed)
		defer stop()
		changed := feed.Changed()
		write(log, 1)
		<-changed
		wake <- struct{}{}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := feed.Stats().Unannounced; got != 0 {
			t.Errorf("counted %d unannounced events", got)
		}
	})
}

func TestFollowOutlastsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.NewLog("e1")
		feed := newFeed(t, log, stream.FeedOptions{})
		wake, stop := follow(t, feed)
		defer stop()
		c := (&follower{t: t}).connect(feed, "")
		log.Break(errors.New("down"))
		write(log, 2)
		wake <- struct{}{}
		time.Sleep(time.Minute)
		synctest.Wait()
		if feed.Err() == nil {
			t.Error("the feed does not say that the log is down")
		}
		changed := feed.Changed()
		log.Break(nil)
		<-changed
		synctest.Wait()
		if feed.Err() != nil {
			t.Errorf("got %v", feed.Err())
		}
		if got := c.drain(); len(got) != 1 || got[0] != 2 {
			t.Errorf("got transactions of %v events", got)
		}
	})
}

// silentLog does not answer while its channel is open, as a database behind a connection that is
// dead without having been closed.
type silentLog struct {
	stream.Log
	answer chan struct{}
}

func (l *silentLog) Read(ctx context.Context, from stream.Cursor) (stream.Reading, error) {
	select {
	case <-l.answer:
		return l.Log.Read(ctx, from)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestFollowSaysThatTheLogIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &silentLog{Log: streamtest.NewLog("e1"), answer: make(chan struct{})}
		feed := stream.NewFeed(log, stream.FeedOptions{})
		wake, stop := follow(t, feed)
		defer stop()
		wake <- struct{}{}
		time.Sleep(time.Second)
		if err := feed.Err(); err != nil {
			t.Errorf("after a second: %v", err)
		}
		time.Sleep(5 * time.Second)
		if feed.Err() == nil {
			t.Error("the feed waits for the log and says that all is well")
		}
		close(log.answer)
		synctest.Wait()
		if err := feed.Err(); err != nil {
			t.Errorf("after the answer: %v", err)
		}
	})
}

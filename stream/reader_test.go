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

// startFeed starts Run. stop ends it and waits for it.
func startFeed(f *stream.Feed) (wakeUps chan struct{}, stop func()) {
	wakeUps = make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx, wakeUps) })
	return wakeUps, func() { cancel(); running.Wait() }
}

// passAt returns a schedule whose next fan-out pass is at the given time.
func passAt(at time.Time) *pacing.Schedule {
	s := pacing.NewSchedule()
	s.NewPassTime().Set(at)
	return s
}

func TestRunReadsAtAWakeUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.NewLog("e1")
		feed := newFeed(t, log, stream.FeedOptions{})
		wakeUps, stop := startFeed(feed)
		defer stop()
		changed := feed.Changed()
		write(log, 1)
		wakeUps <- struct{}{}
		began := time.Now()
		<-changed
		if waited := time.Since(began); waited != 0 {
			t.Errorf("read the log after %v", waited)
		}
		time.Sleep(5 * time.Second) // fake time: several fallback reads
		synctest.Wait()
		if s := feed.Stats(); s.Unannounced != 0 || s.Events != 1 {
			t.Errorf("feed has stats %+v", s)
		}
	})
}

// Wake-ups wait for the next fan-out pass. Run reads the log once, shortly before it.
func TestRunReadsShortlyBeforeTheFanOutPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.NewLog("e1")
		began := time.Now()
		feed := newFeed(t, log, stream.FeedOptions{Schedule: passAt(began.Add(45 * time.Millisecond))})
		wakeUps, stop := startFeed(feed)
		defer stop()
		changed := feed.Changed()
		for range 3 {
			write(log, 1)
			wakeUps <- struct{}{}
			synctest.Wait()
		}
		<-changed
		if waited := time.Since(began); waited < 40*time.Millisecond || waited >= 45*time.Millisecond {
			t.Errorf("read the log after %v, want 40ms to 45ms", waited)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if s := feed.Stats(); s.Unannounced != 0 || s.Events != 3 {
			t.Errorf("feed has stats %+v", s)
		}
	})
}

// countedLog counts the calls of Read.
type countedLog struct {
	stream.Log
	reads atomic.Int32
}

func (l *countedLog) Read(ctx context.Context, from stream.Cursor) (stream.Reading, error) {
	l.reads.Add(1)
	return l.Log.Read(ctx, from)
}

// One read covers all wake-ups before it, also those that arrive while it waits for a fan-out pass.
func TestRunReadsOnceForSeveralWakeUps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &countedLog{Log: streamtest.NewLog("e1")}
		feed := newFeed(t, log, stream.FeedOptions{Schedule: passAt(time.Now().Add(45 * time.Millisecond))})
		filled := log.reads.Load()
		wakeUps, stop := startFeed(feed)
		defer stop()
		for range 2 { // Run receives the first, the second stays in the channel
			wakeUps <- struct{}{}
			synctest.Wait()
		}
		time.Sleep(100 * time.Millisecond) // fake time
		synctest.Wait()
		if n := log.reads.Load() - filled; n != 1 {
			t.Errorf("read the log %d times, want once", n)
		}
	})
}

func TestRunFindsEventsWithoutAWakeUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.NewLog("e1")
		feed := newFeed(t, log, stream.FeedOptions{})
		_, stop := startFeed(feed)
		defer stop()
		changed := feed.Changed()
		began := time.Now()
		write(log, 3)
		<-changed
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("read the log after %v", waited)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := feed.Stats().Unannounced; got != 3 {
			t.Errorf("counted %d unannounced events, want 3", got)
		}
	})
}

// A fallback read may find an event just before its wake-up arrives. That event is not unannounced.
func TestRunAcceptsAWakeUpAfterTheRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.NewLog("e1")
		feed := newFeed(t, log, stream.FeedOptions{})
		wakeUps, stop := startFeed(feed)
		defer stop()
		changed := feed.Changed()
		write(log, 1)
		<-changed
		wakeUps <- struct{}{}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := feed.Stats().Unannounced; got != 0 {
			t.Errorf("counted %d unannounced events", got)
		}
	})
}

func TestRunContinuesAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.NewLog("e1")
		feed := newFeed(t, log, stream.FeedOptions{})
		wakeUps, stop := startFeed(feed)
		defer stop()
		c := (&testClient{t: t}).connect(feed, "")
		log.Break(errors.New("down"))
		write(log, 2)
		wakeUps <- struct{}{}
		time.Sleep(time.Minute)
		synctest.Wait()
		if feed.Err() == nil {
			t.Error("Err returns nil during an outage")
		}
		changed := feed.Changed()
		log.Break(nil)
		<-changed
		synctest.Wait()
		if feed.Err() != nil {
			t.Errorf("after the outage Err returns %v", feed.Err())
		}
		if got := c.receiveAll(); len(got) != 1 || got[0] != 2 {
			t.Errorf("received transactions of %v events, want one of 2", got)
		}
	})
}

// cutLog is a log whose connection ends before each answer to a Next, while it is cut off.
type cutLog struct {
	stream.Log
	isCut atomic.Bool
}

func (l *cutLog) Read(ctx context.Context, from stream.Cursor) (stream.Reading, error) {
	r, err := l.Log.Read(ctx, from)
	return &cutReading{r, l}, err
}

type cutReading struct {
	stream.Reading
	log *cutLog
}

func (r *cutReading) Next(ctx context.Context, wants stream.Interest) (stream.Transaction, error) {
	if r.log.isCut.Load() {
		return stream.Transaction{}, errCutOff
	}
	return r.Reading.Next(ctx, wants)
}

// TestCutConnectionIsNotTheEnd checks that the feed does not take a connection that ended for the end of the log.
func TestCutConnectionIsNotTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.NewLog("e1")
		cut := &cutLog{Log: log}
		feed := newFeed(t, cut, stream.FeedOptions{})
		wakeUps, stop := startFeed(feed)
		defer stop()
		c := (&testClient{t: t}).connect(feed, "")
		cut.isCut.Store(true)
		write(log, 2)
		wakeUps <- struct{}{}
		time.Sleep(time.Minute)
		synctest.Wait()
		if feed.Err() == nil {
			t.Error("Err returns nil while the connection is cut off")
		}
		cut.isCut.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := c.receiveAll(); len(got) != 1 || got[0] != 2 {
			t.Errorf("received transactions of %v events, want one of 2", got)
		}
	})
}

// silentLog does not answer while its channel is open, like a database behind a dead connection.
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

func TestErrReportsASilentLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &silentLog{Log: streamtest.NewLog("e1"), answer: make(chan struct{})}
		feed := stream.NewFeed(log, stream.FeedOptions{})
		wakeUps, stop := startFeed(feed)
		defer stop()
		wakeUps <- struct{}{}
		time.Sleep(time.Second)
		if err := feed.Err(); err != nil {
			t.Errorf("after a second Err returns %v", err)
		}
		time.Sleep(5 * time.Second)
		if feed.Err() == nil {
			t.Error("after 6 seconds without an answer Err returns nil")
		}
		close(log.answer)
		synctest.Wait()
		if err := feed.Err(); err != nil {
			t.Errorf("after the answer Err returns %v", err)
		}
	})
}

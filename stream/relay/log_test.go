package relay_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
	"github.com/pgherald/pgherald/stream/relay"
	"github.com/pgherald/pgherald/stream/relay/relaytest"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// commit writes a transaction of the given number of events.
func commit(log *streamtest.Log, events int, audience []string) {
	tx := log.Begin()
	for range events {
		tx.Append(stream.Event{Type: "changed", Key: "k", Data: []byte(`{}`), Audience: audience})
	}
	tx.Commit()
}

// TestRun runs a relay and a feed on its stream: the feed has what was committed, and is stale while no relay runs.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, store := streamtest.NewLog("e"), relaytest.NewStore()
		edge := relay.NewLog(store, relay.LogOptions{})
		if _, err := edge.Tail(t.Context(), 0, 0); err == nil {
			t.Error("an empty store has an end")
		}
		commit(log, 3, nil)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		run := func(ctx context.Context, term uint64) {
			ended <- relay.Run(ctx, relay.Options{Log: log, Store: store, Writer: relay.Writer{Term: term}})
		}
		go run(ctx, 1)
		synctest.Wait()
		feed := stream.NewFeed(edge, stream.FeedOptions{})
		if err := feed.Fill(t.Context()); err != nil {
			t.Fatal(err)
		}
		wake := make(chan struct{}, 1)
		reading, stopReading := context.WithCancel(t.Context())
		defer stopReading()
		go feed.Run(reading, wake)
		commit(log, 2, nil)
		time.Sleep(time.Second) // of the fake clock: the relay's Interval
		wake <- struct{}{}
		synctest.Wait()
		if s := feed.Stats(); s.Transactions != 2 || feed.Freshness().IsStale {
			t.Errorf("feed %+v, %+v", s, feed.Freshness())
		}
		go run(t.Context(), 2)
		synctest.Wait()
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) && !errors.Is(err, relay.ErrStale) {
			t.Errorf("the first relay ended with %v", err)
		}
		time.Sleep(10 * time.Second)
		if f := feed.Freshness(); f.IsStale {
			t.Errorf("stale beside a relay: %+v", f)
		}
		if err := store.Append(t.Context(), relay.Writer{Term: 3}, relay.Last{}, relay.Appended{}); !errors.Is(err, relay.ErrMoved) {
			t.Errorf("append behind nothing: %v", err)
		}
		if _, err := store.Claim(t.Context(), relay.Writer{Term: 3}, "x"); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, relay.ErrStale) {
			t.Errorf("the second relay ended with %v", err)
		}
		time.Sleep(10 * time.Second)
		if f := feed.Freshness(); !f.IsStale || f.Age < 9*time.Second {
			t.Errorf("not stale without a relay: %+v", f)
		}
		stopReading()
	})
}

// TestCheckAndTail checks the counts of the stream.
func TestCheckAndTail(t *testing.T) {
	log, store := streamtest.NewLog("e"), relaytest.NewStore()
	for range 5 {
		commit(log, 4, nil)
	}
	commit(log, 1, []string{"x"})
	for range 5 {
		commit(log, 2, nil)
	}
	c := relay.NewCopier(relay.Options{Log: log, Store: store, Writer: relay.Writer{Term: 1}})
	c.Step(t.Context(), func(*relay.Copier) {})
	edge := relay.NewLog(store, relay.LogOptions{})
	for _, test := range []struct {
		events int
		bytes  int64
		want   int
	}{{0, 1 << 30, 0}, {1, 1 << 30, 0}, {2, 1 << 30, 2}, {5, 1 << 30, 4}, {10, 1 << 30, 10}, {11, 1 << 30, -1}, {1000, 1 << 30, -1}, {1000, 300, 4}} {
		cursor, err := edge.Tail(t.Context(), test.events, test.bytes)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := edge.Check(t.Context(), cursor); n != test.want || err != nil {
			t.Errorf("behind the last %d events or %d bytes there are %d, %v; want %d", test.events, test.bytes, n, err, test.want)
		}
	}
	end, _ := log.Tail(t.Context(), 0, 0)
	for name, test := range map[string]struct {
		cursor stream.Cursor
		want   error
	}{
		"end":    {end, nil},
		"other":  {stream.NewCursor("other", 1, nil), stream.ErrOtherLog},
		"future": {stream.NewCursor("e", 1<<40, nil), stream.ErrFuture},
	} {
		if _, err := edge.Resume(t.Context(), test.cursor); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTrim checks that the stream gets no larger than its limit, and that a cursor from before is refused.
func TestTrim(t *testing.T) {
	log, store := streamtest.NewLog("e"), relaytest.NewStore()
	c := relay.NewCopier(relay.Options{Log: log, Store: store, Writer: relay.Writer{Term: 1}, MaxBytes: 2000})
	old, _ := log.Tail(t.Context(), 0, 0)
	for range 50 {
		commit(log, 2, nil)
		c.Expire(true)
		c.Step(t.Context(), func(*relay.Copier) {})
	}
	edge := relay.NewLog(store, relay.LogOptions{})
	if _, err := edge.Resume(t.Context(), old); !errors.Is(err, stream.ErrPruned) {
		t.Errorf("a cursor from before the stream: %v", err)
	}
	left, err := store.Range(t.Context(), 1, 1000, 1<<30)
	bytes := 0
	for _, s := range left.Entries {
		bytes += len(s.Data)
	}
	if err != nil || len(left.Entries) < 5 || bytes > 3000 {
		t.Errorf("%d entries of %d bytes are left, %v", len(left.Entries), bytes, err)
	}
	last, err := edge.Tail(t.Context(), 1<<20, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := edge.Resume(t.Context(), last); err != nil {
		t.Errorf("the first cursor of the stream: %v", err)
	}
}

// TestTrimWithinARead checks that a read of the log which is much larger than the limit does not make the stream so.
func TestTrimWithinARead(t *testing.T) {
	log, store := streamtest.NewLog("e"), relaytest.NewStore()
	for range 500 {
		commit(log, 2, nil)
	}
	largest := 0
	store.Fault = func(isDone bool) error {
		if !isDone {
			return nil
		}
		all, err := store.Range(t.Context(), 1, 10_000, 1<<30)
		bytes := 0
		for _, s := range all.Entries {
			bytes += len(s.Data)
		}
		largest = max(largest, bytes)
		return err
	}
	c := relay.NewCopier(relay.Options{Log: log, Store: store, Writer: relay.Writer{Term: 1}, MaxBytes: 2000})
	c.Step(t.Context(), func(*relay.Copier) {})
	if largest == 0 || largest > 4000 {
		t.Errorf("the stream had %d bytes", largest)
	}
	st, err := store.State(t.Context())
	if err != nil || st.Number < 500 || st.Mark.Whole != st.Number {
		t.Errorf("the log was not copied to its end: %+v, %v", st.Last, err)
	}
}

// TestForeign checks that a relay neither erases nor takes the stream of another database, and takes that of its own log after a recovery.
func TestForeign(t *testing.T) {
	log, store := streamtest.NewLog("e"), relaytest.NewStore()
	commit(log, 2, nil)
	c := relay.NewCopier(relay.Options{Log: log, Store: store, Writer: relay.Writer{Term: 1, Owner: "own"}})
	c.Step(t.Context(), func(*relay.Copier) {})
	before, _ := store.State(t.Context())
	limited, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	err := relay.Run(limited, relay.Options{Log: streamtest.NewLog("x"), Store: store, Writer: relay.Writer{Term: 2, Owner: "other"}})
	after, _ := store.State(t.Context())
	if !errors.Is(err, relay.ErrForeign) || after.Writer != before.Writer || after.Last != before.Last || after.Fork != before.Fork {
		t.Errorf("another database has made it %+v: %v", after, err)
	}
	log.Recover(log.LSN(), true)
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- relay.Run(ctx, relay.Options{Log: log, Store: store, Writer: relay.Writer{Term: 2, Owner: "next"}, Interval: time.Millisecond})
	}()
	for ctx.Err() == nil {
		if st, _ := store.State(ctx); len(st.Changes) == 2 && st.Owner == "next" {
			break
		}
		_ = store.Wait(ctx, 1<<40)
	}
	if ctx.Err() != nil {
		t.Error("a recovery makes the log another one")
	}
	stop()
	<-ended
}

// TestBeginMarksNothing checks that a stream which has just begun is not taken for one that was copied to its end.
func TestBeginMarksNothing(t *testing.T) {
	store := relaytest.NewStore()
	if err := store.Begin(t.Context(), relay.Writer{Term: 1}, relay.Appended{Token: "1", Entries: [][]byte{nil}, Whole: 1, Mark: &relay.Mark{}}); err != nil {
		t.Fatal(err)
	}
	if st, err := store.State(t.Context()); err != nil || st.MarkAge < 24*time.Hour {
		t.Errorf("the mark is %v old, %v", st.MarkAge, err)
	}
}

// TestDelayOfAStreamWithoutAMark checks that readers of a stream which has just begun are stale, and not since 1970.
func TestDelayOfAStreamWithoutAMark(t *testing.T) {
	store := relaytest.NewStore()
	change := relay.Info{Changes: []relay.Change{{At: 1, Epoch: "e"}}}
	if err := store.Begin(t.Context(), relay.Writer{Term: 1}, relay.Appended{Token: "1", Entries: [][]byte{nil}, Whole: 1, Info: &change}); err != nil {
		t.Fatal(err)
	}
	edge := relay.NewLog(store, relay.LogOptions{})
	if _, err := edge.Lineage(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := edge.Delay(); d < pacing.StaleAfter || d > time.Hour {
		t.Errorf("the log was read %v ago", d)
	}
}

// TestWaitDoesNotSpin checks that Wait returns at once neither before the stream was read nor, if it was, for a transaction that is there in part.
func TestWaitDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, store := streamtest.NewLog("e"), relaytest.NewStore()
		commit(log, 1, nil)
		c := relay.NewCopier(relay.Options{Log: log, Store: store, Writer: relay.Writer{Term: 1}})
		c.Step(t.Context(), func(*relay.Copier) {})
		edge := relay.NewLog(store, relay.LogOptions{})
		feed := stream.NewFeed(edge, stream.FeedOptions{})
		if err := feed.Fill(t.Context()); err != nil {
			t.Fatal(err)
		}
		st, err := store.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		part := relay.Entry{Cursor: feed.Head(), XID: 1 << 40, More: true, Events: []stream.Event{{ID: 99, Type: "changed"}}}
		if err := store.Append(t.Context(), st.Writer, st.Last, relay.Appended{Token: "part", Entries: [][]byte{part.Encode()}, Whole: st.Whole}); err != nil {
			t.Fatal(err)
		}
		wait := func() time.Duration {
			began := time.Now()
			if err := edge.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			return time.Since(began)
		}
		if took := wait(); took != 0 {
			t.Errorf("Wait took %v, and there was a new entry", took)
		}
		if took := wait(); took == 0 {
			t.Error("Wait returned before the stream was read")
		}
		r, err := edge.Read(t.Context(), feed.Head())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Next(t.Context(), stream.Interest{Everything: true}); !errors.Is(err, io.EOF) {
			t.Fatalf("the part was read: %v", err)
		}
		if took := wait(); took == 0 {
			t.Error("Wait returned for a part that was read")
		}
	})
}

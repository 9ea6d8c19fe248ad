package stream_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// recoveredFeed returns a feed that has followed a recovery without a loss, the log, which reports that it is as old
// as age, and a cursor of the epoch before.
func recoveredFeed(t *testing.T, age time.Duration) (*stream.Feed, *agedLog, stream.Cursor) {
	t.Helper()
	log := &agedLog{Log: streamtest.NewLog("start"), age: age}
	feed := stream.NewFeed(log, stream.FeedOptions{})
	if err := feed.Fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	tx := log.Begin()
	tx.Write("a", "1")
	tx.Commit()
	if err := stream.ReadOnce(feed); err != nil {
		t.Fatal(err)
	}
	before := feed.Head()
	log.Recover(log.LSN(), true)
	if err := stream.ReadOnce(feed); err != nil {
		t.Fatal(err)
	}
	return feed, log, before
}

// agedLog is a log whose Lineage looks at its context, as a database does, and reports an age.
type agedLog struct {
	*streamtest.Log
	age time.Duration
}

func (l *agedLog) Lineage(ctx context.Context) (stream.Lineage, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	lineage, err := l.Log.Lineage(ctx)
	for i := range lineage {
		lineage[i].Age = l.age
	}
	return lineage, err
}

// TestCancelledSubscribe lets a client go while its cursor is resolved. That is no error for the next client.
func TestCancelledSubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed, _, before := recoveredFeed(t, time.Hour)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := feed.Subscribe(gone, before, stream.Filter{}); err == nil {
			t.Fatal("a client that has gone was subscribed")
		}
		if _, sync, err := feed.Subscribe(t.Context(), before, stream.Filter{}); err != nil || sync.Mode != stream.ModeResumed {
			t.Errorf("the next client: %+v, %v", sync, err)
		}
	})
}

// TestDistrustAfterResume lets another server find out that a recovery lost more than PostgreSQL reports, shortly after
// a client has resumed. The next one is reset, whichever comes first: the end of its wait, or one more look.
func TestDistrustAfterResume(t *testing.T) {
	for range 20 {
		synctest.Test(t, testDistrustAfterResume)
	}
}

func testDistrustAfterResume(t *testing.T) {
	feed, log, before := recoveredFeed(t, time.Second)
	if _, sync, err := feed.Subscribe(t.Context(), before, stream.Filter{}); err != nil || sync.Mode != stream.ModeResumed {
		t.Fatalf("%+v, %v", sync, err)
	}
	lineage, err := log.Lineage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Distrust(t.Context(), lineage[0]); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	log.age += time.Second
	if _, sync, err := feed.Subscribe(t.Context(), before, stream.Filter{}); err != nil || sync.Mode != stream.ModeReset {
		t.Errorf("after the recovery is not trusted any more: %+v, %v", sync, err)
	}
}

// TestCursorOfARecoveryThatACopyDoesNotKnow lets a client come with a cursor of an epoch that the copy of the log does not know. The client
// waits until the copy was completed: it may come from a server that has followed a recovery already.
func TestCursorOfARecoveryThatACopyDoesNotKnow(t *testing.T) {
	for name, c := range map[string]struct {
		completeFor time.Duration   // from the beginning on
		recovers    bool            // a while later
		want        stream.SyncMode // none: an error, since the client may come again
	}{
		"the copy follows the recovery": {time.Hour, true, stream.ModeResumed},
		"there was no recovery":         {time.Hour, false, stream.ModeReset},
		"the copy is not completed":     {0, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &copyLog{Log: streamtest.NewLog("start"), goneAt: time.Now().Add(c.completeFor)}
				feed := stream.NewFeed(log, stream.FeedOptions{})
				if err := feed.Fill(t.Context()); err != nil {
					t.Fatal(err)
				}
				after := feed.Head().InEpoch("r1", log.LSN()) // as the log calls the epoch of its first recovery
				if c.recovers {
					defer time.AfterFunc(700*time.Millisecond, func() {
						log.Recover(log.LSN(), true)
						if err := stream.ReadOnce(feed); err != nil {
							t.Error(err)
						}
					}).Stop()
				}
				_, sync, err := feed.Subscribe(t.Context(), after, stream.Filter{})
				if sync.Mode != c.want || (err != nil) != (c.want == "") {
					t.Errorf("%+v, %v; want %q", sync, err, c.want)
				}
			})
		})
	}
}

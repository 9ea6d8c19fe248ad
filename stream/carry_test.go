package stream_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// TestCarryOverAsksOtherServers resumes a client from memory that has received, from another server, a transaction that
// was open when this one read last. Nothing is lost, and only the other server can prove that.
func TestCarryOverAsksOtherServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.NewLog("start")
		here, there := stream.NewFeed(log, stream.FeedOptions{}), stream.NewFeed(log, stream.FeedOptions{})
		for _, f := range []*stream.Feed{here, there} {
			if err := f.Fill(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		read := func(f *stream.Feed) {
			if err := stream.ReadOnce(f); err != nil {
				t.Fatal(err)
			}
		}
		long, short := log.Begin(), log.Begin()
		long.Write("a", "long")
		short.Write("a", "short")
		short.Commit()
		read(here)
		read(there)
		long.Commit()
		survived := log.LSN()
		log.Begin().Write("a", "open") // the next read is at a higher position
		read(there)
		sub, sync, err := here.Subscribe(t.Context(), there.Head(), stream.Filter{})
		if err != nil || sync.Mode != stream.ModeResumed {
			t.Fatalf("%v, %v", sync, err)
		}
		log.Recover(survived, true)
		read(there)
		read(here)
		_, err = sub.Pending(nil, 1<<20)
		for errors.Is(err, stream.ErrBehind) {
			err = sub.CatchUp(t.Context(), stream.CatchUpClient{Emit: func(bufs [][]byte) error {
				for _, b := range bufs {
					t.Errorf("it received %q again", b)
				}
				return nil
			}})
			if err == nil {
				_, err = sub.Pending(nil, 1<<20)
			}
		}
		if err != nil {
			t.Errorf("nothing was lost: %v", err)
		}
	})
}

package stream_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// An id line says that the client has whole transactions only. A sync or heartbeat event within a
// transaction has none: the client would keep the first part, and receive it again.
func TestControlEventsWithinATransactionHaveNoID(t *testing.T) {
	for name, bytes := range map[string]int64{"from memory": 0, "from the log": 1} {
		t.Run(name, func(t *testing.T) {
			log := streamtest.NewLog("e1")
			log.PartSize = 10
			feed := newFeed(t, log, stream.FeedOptions{Bytes: bytes})
			c := (&testClient{t: t}).connect(feed, "")
			write(log, 50)
			readOnce(t, feed)
			var sent strings.Builder
			bufs, err := c.sub.Pending(nil, 1000)
			if errors.Is(err, stream.ErrBehind) {
				err = c.sub.CatchUp(context.Background(), stream.CatchUpClient{Emit: func(part [][]byte) error {
					if sent.Len() > 0 {
						return errBroken
					}
					for _, b := range part {
						sent.Write(b)
					}
					return nil
				}})
			}
			for _, b := range bufs {
				sent.Write(b)
			}
			if err != nil && !errors.Is(err, errBroken) || sent.Len() == 0 || strings.Contains(sent.String(), "id: ") {
				t.Fatalf("received %q and error %v, want a part of the transaction without an id line", sent.String(), err)
			}
			for _, frame := range [][]byte{c.sub.Heartbeat(nil, epochTime), c.sub.Sync(nil, stream.Sync{Mode: stream.ModeDraining}, epochTime)} {
				if strings.Contains(string(frame), "id: ") {
					t.Errorf("got id line in %q", frame)
				}
			}
		})
	}
}

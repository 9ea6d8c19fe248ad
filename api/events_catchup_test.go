package api_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// endlessLog never ends a read after the cursor old.
type endlessLog struct {
	*streamtest.Log
	old stream.Cursor
}

func (l *endlessLog) Resume(ctx context.Context, from stream.Cursor) (stream.Reading, error) {
	if from.Equal(l.old) {
		return &endless{cursor: from}, nil
	}
	return l.Log.Resume(ctx, from)
}

// endless yields transactions of one event each.
type endless struct{ cursor stream.Cursor }

func (r *endless) Next(ctx context.Context, _ stream.Interest) (stream.Transaction, error) {
	if ctx.Err() != nil {
		return stream.Transaction{}, io.ErrUnexpectedEOF
	}
	xid := r.cursor.Next()
	r.cursor = r.cursor.Deliver(xid, nil)
	return stream.Transaction{XID: xid, Events: []stream.Event{{Type: "x", Data: []byte("{}")}}, Cursor: r.cursor}, nil
}

func (r *endless) Buffered() int         { return 0 }
func (r *endless) Cursor() stream.Cursor { return r.cursor }

// A client whose long catch-up yields no events for its filter receives heartbeats with newer cursors. Otherwise it, or a
// proxy, would consider the connection dead, and every reconnect would start from the same cursor.
func TestHeartbeatsWhileCatchingUp(t *testing.T) {
	log := streamtest.NewLog("k3f9")
	s := newStreamServerOn(t, log, streamServerOptions{
		log:  &endlessLog{Log: log, old: stream.NewCursor("k3f9", 700, nil)},
		feed: stream.FeedOptions{Bytes: 1, Fill: 1},
		api:  func(o *apiOptions) { o.Streams.Heartbeat = time.Millisecond },
	})
	first := s.openSynced("")
	for range 3 {
		s.commit("x")
	}
	first.readUntil(`"xid":702`)
	l := s.openSynced("?types=y&since=k3f9-jg")
	cursor := idOf(l.received.String())
	for range 2 {
		before := cursor
		for n := 0; cursor == before; n++ { // a read may take longer than the interval of heartbeats
			if n == 5000 {
				t.Fatalf("%d heartbeats with the cursor %s", n, before)
			}
			cursor = idOf(l.readUntil(`"type":"heartbeat"`))
		}
	}
}

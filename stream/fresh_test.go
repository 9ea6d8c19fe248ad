package stream_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// TestWritten looks at a feed as a meter does. The log's clock says the event's number, in ms.
func TestWritten(t *testing.T) {
	log := streamtest.NewLog("k3f9")
	write(log, 2)
	var told []int64
	feed := newFeed(t, log, stream.FeedOptions{OnEvent: func(e *stream.Event) { told = append(told, e.ID) }})
	mark := feed.Mark()
	check := func(what string, want ...int64) {
		t.Helper()
		var got []int64
		got, mark = feed.WrittenSince(nil, mark)
		for i := range got {
			got[i] /= int64(time.Millisecond)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	check("what was there before")
	write(log, 3)
	readOnce(t, feed)
	check("a transaction", 3, 4, 5)
	check("nothing new")
	write(log, 1)
	write(log, 1)
	readOnce(t, feed)
	check("two transactions", 6, 7)
	if diff := cmp.Diff([]int64{3, 4, 5, 6, 7}, told); diff != "" {
		t.Errorf("OnEvent was told (-want +got):\n%s", diff)
	}
}

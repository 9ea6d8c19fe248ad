package stream_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// The model log's clock says the id of the event, in milliseconds.
func TestWrittenSinceReturnsNewEventsOnce(t *testing.T) {
	log := streamtest.NewLog("k3f9")
	write(log, 2)
	var observed []int64
	feed := newFeed(t, log, stream.FeedOptions{OnEvent: func(e *stream.Event) { observed = append(observed, e.ID) }})
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
	check("before the first read")
	write(log, 3)
	readOnce(t, feed)
	check("after one transaction", 3, 4, 5)
	check("without a new event")
	write(log, 1)
	write(log, 1)
	readOnce(t, feed)
	check("after two transactions", 6, 7)
	if diff := cmp.Diff([]int64{3, 4, 5, 6, 7}, observed); diff != "" {
		t.Errorf("OnEvent (-want +got):\n%s", diff)
	}
}

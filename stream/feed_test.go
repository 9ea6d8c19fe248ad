package stream_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// The model log's clock says the id of the event, in milliseconds.
func TestTimesSinceReturnsNewEventsOnce(t *testing.T) {
	log := streamtest.NewLog("k3f9")
	write(log, 2)
	var observed []int64
	feed := newFeed(t, log, stream.FeedOptions{OnEvent: func(e *stream.Event) { observed = append(observed, e.ID) }})
	mark, began := feed.Mark(), time.Now().UnixNano()
	check := func(what string, want ...int64) {
		t.Helper()
		var times []stream.EventTimes
		times, mark = feed.TimesSince(nil, mark)
		var got []int64
		for _, e := range times {
			got = append(got, e.Inserted/int64(time.Millisecond))
			if began > e.Read || e.Read > time.Now().UnixNano() {
				t.Errorf("%s: read at %d", what, e.Read)
			}
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

package stream_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// TestRest: a wake-up waits until just before somebody reads, and not at all if somebody may read at
// once, which a server also says by a time long ago: the zero time is further away than a Duration
// can be.
func TestRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		for _, test := range []struct {
			next time.Time
			want time.Duration
		}{
			{time.Time{}, 0},
			{time.Unix(0, 0), 0},
			{began.Add(-time.Hour), 0},
			{began.Add(20 * time.Millisecond), 19 * time.Millisecond},
			{began.Add(time.Hour), 500 * time.Millisecond},
		} {
			from := time.Now()
			offset := from.Sub(began)
			next := test.next
			if next.After(began) {
				next = next.Add(offset)
			}
			stream.WaitForFanOut(t.Context(), func() time.Time { return next })
			if got := time.Since(from); got != test.want {
				t.Errorf("until %v: waits %v, want %v", test.next, got, test.want)
			}
		}
	})
}

package bench

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestPublish: each number of the offer is emitted once, whoever emits it.
func TestPublish(t *testing.T) {
	t.Parallel()
	for _, o := range []offer{
		{First: 100, Rate: 10, Lasting: 100 * time.Millisecond},
		{First: 1, Rate: 4000, Lasting: 50 * time.Millisecond},
	} {
		var mu sync.Mutex
		var got []int64
		p, err := publish(t.Context(), o, func(context.Context) (emit, func(), error) {
			return func(_ context.Context, n int64) error {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, n)
				return nil
			}, func() {}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		if got[0] != o.First || got[len(got)-1] != p.Last || int64(len(slices.Compact(got))) != p.Last-o.First+1 {
			t.Errorf("%+v: from %d to %d, %d of them, and the last is said to be %d", o, got[0], got[len(got)-1], len(got), p.Last)
		}
		if want := int64(o.Rate * o.Lasting.Seconds()); p.Last-o.First+1 > want {
			t.Errorf("%+v: %d events, want at most %d", o, p.Last-o.First+1, want)
		}
	}
}

func TestPublishEndsAtAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, err := publish(t.Context(), offer{Rate: 1000, Lasting: time.Hour}, func(context.Context) (emit, func(), error) {
		return func(_ context.Context, n int64) error {
			if n == 3 {
				return broken
			}
			return nil
		}, func() {}, nil
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want what broke", err)
	}
}

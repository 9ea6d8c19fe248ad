package writes

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestPublishEmitsEachNumberOnce checks offers for one and for several emitters.
func TestPublishEmitsEachNumberOnce(t *testing.T) {
	t.Parallel()
	for _, o := range []Offer{
		{First: 100, Rate: 10, Duration: 100 * time.Millisecond},
		{First: 1, Rate: 4000, Duration: 50 * time.Millisecond},
	} {
		var mu sync.Mutex
		var got []int64
		p, err := Publish(t.Context(), o, func(context.Context) (Emit, func(), error) {
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
			t.Errorf("%+v: emitted %d to %d, %d events, but Last is %d", o, got[0], got[len(got)-1], len(got), p.Last)
		}
		if want := int64(o.Rate * o.Duration.Seconds()); p.Last-o.First+1 > want {
			t.Errorf("%+v: %d events, want at most %d", o, p.Last-o.First+1, want)
		}
	}
}

func TestPublishEndsWithAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, err := Publish(t.Context(), Offer{Rate: 1000, Duration: time.Hour}, func(context.Context) (Emit, func(), error) {
		return func(_ context.Context, n int64) error {
			if n == 3 {
				return broken
			}
			return nil
		}, func() {}, nil
	})
	if !errors.Is(err, broken) || errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want only the error of the emitter", err)
	}
}

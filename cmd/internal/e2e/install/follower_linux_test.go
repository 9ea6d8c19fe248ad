package install_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	pgherald "github.com/pgherald/pgherald/clients/go"
	"github.com/pgherald/pgherald/db/pgtest"
)

// follower collects the rows that a client receives.
type follower struct {
	t      *testing.T
	ids    chan int
	cancel context.CancelFunc
	ended  chan struct{}
	next   int
}

// follow opens a stream and returns once it is live.
func follow(t *testing.T, url string) *follower {
	t.Helper()
	client, err := pgherald.New(url, pgherald.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*hang)
	f := &follower{t: t, ids: make(chan int, 1000), cancel: cancel, ended: make(chan struct{}), next: 1}
	live := make(chan struct{})
	go func() {
		defer close(f.ended)
		defer client.Close()
		f.collect(ctx, client, live)
	}()
	t.Cleanup(f.end)
	select {
	case <-live:
	case <-f.ended:
		t.Fatal("the stream ended before it was live")
	}
	return f
}

// collect sends the ids of rows until the context ends, and closes live when the stream is.
func (f *follower) collect(ctx context.Context, client *pgherald.Client, live chan<- struct{}) {
	for event, err := range client.Events(ctx, pgherald.Filter{Collection: "orders"}) {
		switch {
		case err != nil:
			if ctx.Err() == nil {
				f.t.Errorf("the stream ended: %v", err)
			}
			return
		case event.Sync != nil:
			if event.Sync.Mode == pgherald.ModeReset {
				f.t.Errorf("the stream was reset: %s", event.Sync.Reason)
			}
			if live != nil && event.Sync.Mode == pgherald.ModeLive {
				close(live)
				live = nil
			}
		default:
			var row struct{ ID int }
			if err := json.Unmarshal(event.Data, &row); err != nil {
				f.t.Errorf("event %s: %v", event.Data, err)
			}
			f.ids <- row.ID
		}
	}
}

// await receives the rows up to an id. Each must come once and in order.
func (f *follower) await(last int) {
	f.t.Helper()
	for ; f.next <= last; f.next++ {
		select {
		case id := <-f.ids:
			if id != f.next {
				f.t.Fatalf("row %d came, want %d", id, f.next)
			}
		case <-f.ended:
			f.t.Fatalf("the stream ended before row %d", f.next)
		case <-time.After(hang):
			f.t.Fatalf("row %d did not come in %v", f.next, hang)
		}
	}
}

// end ends the stream.
func (f *follower) end() {
	f.cancel()
	pgtest.Within(f.t, "the end of a stream", func() { <-f.ended })
}

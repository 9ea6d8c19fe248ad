package notify_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/stream"
)

// strictReader reads the log only when it is woken. A feed would find an unannounced event with its
// periodic read; a strictReader never does, unless a later wake-up makes up for the missing one.
type strictReader struct {
	log *eventlog.Log

	mu      sync.Mutex // guards the fields below
	cursor  stream.Cursor
	ids     map[int64]bool
	err     error
	changed chan struct{} // closed after each read
}

// newStrictReader returns a reader that starts at the end of the log.
func newStrictReader(t *testing.T, log *eventlog.Log) *strictReader {
	t.Helper()
	from, err := log.Tail(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return &strictReader{log: log, cursor: from, ids: make(map[int64]bool), changed: make(chan struct{})}
}

// run reads after each value of wake, and passes the value on to next.
func (r *strictReader) run(ctx context.Context, wake <-chan struct{}, next chan<- struct{}) {
	for {
		select {
		case <-wake:
		case <-ctx.Done():
			return
		}
		select {
		case next <- struct{}{}:
		default:
		}
		if err := r.read(ctx); err != nil && ctx.Err() == nil {
			r.mu.Lock()
			r.err = err
			r.mu.Unlock()
			return
		}
	}
}

// read reads the new events. An event that it has read before is an error.
func (r *strictReader) read(ctx context.Context) error {
	reading, err := r.log.Read(ctx, r.cursor)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		tx, err := reading.Next(ctx, stream.Interest{Everything: true})
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		for _, e := range tx.Events {
			if r.ids[e.ID] {
				return fmt.Errorf("event %d was read twice", e.ID)
			}
			r.ids[e.ID] = true
		}
	}
	r.cursor = reading.Cursor()
	close(r.changed)
	r.changed = make(chan struct{})
	return nil
}

// missing returns one of the ids that the reader has not read, or 0 if it has read all, and a channel that
// is closed after the next read.
func (r *strictReader) missing(ids []int64) (int64, <-chan struct{}, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		if !r.ids[id] {
			return id, r.changed, r.err
		}
	}
	return 0, r.changed, r.err
}

package notify_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/stream"
)

// bell is a reader without a fallback: it looks at the log when it is woken and at no other time. What
// nobody announces it never has, where a feed would have it a second later, or by the next
// notification of something else.
type bell struct {
	log *eventlog.Log

	mu      sync.Mutex
	cursor  stream.Cursor // guarded by mu, as those below
	ids     map[int64]bool
	err     error
	changed chan struct{}
}

// newBell returns one that is owed everything that is committed from now on.
func newBell(t *testing.T, log *eventlog.Log) *bell {
	t.Helper()
	from, err := log.Tail(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return &bell{log: log, cursor: from, ids: make(map[int64]bool), changed: make(chan struct{})}
}

// follow reads whenever wake is signalled, and passes the signal on.
func (b *bell) follow(ctx context.Context, wake <-chan struct{}, next chan<- struct{}) {
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
		if err := b.read(ctx); err != nil && ctx.Err() == nil {
			b.mu.Lock()
			b.err = err
			b.mu.Unlock()
			return
		}
	}
}

// read takes what is new. Each event may come once.
func (b *bell) read(ctx context.Context) error {
	r, err := b.log.Read(ctx, b.cursor)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		tx, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		for _, e := range tx.Events {
			if b.ids[e.ID] {
				return fmt.Errorf("event %d was read twice", e.ID)
			}
			b.ids[e.ID] = true
		}
	}
	b.cursor = r.Cursor()
	close(b.changed)
	b.changed = make(chan struct{})
	return nil
}

// lacks tells one of the events that it does not have, and what tells of a change; 0 if it has them all.
func (b *bell) lacks(ids []int64) (int64, <-chan struct{}, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range ids {
		if !b.ids[id] {
			return id, b.changed, b.err
		}
	}
	return 0, b.changed, b.err
}

// logged is the ids of what is committed.
func logged(t *testing.T, conn *pgx.Conn) []int64 {
	t.Helper()
	rows, err := conn.Query(t.Context(), `select id from pgherald.events`)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// heard waits until all that is committed was announced to the site. Nobody may write meanwhile: the
// next notification would make up for one that is missing.
func (s *site) heard(conn *pgx.Conn, when string) {
	s.t.Helper()
	ids := logged(s.t, conn)
	timeout := time.After(15 * time.Second)
	for {
		id, changed, err := s.bell.lacks(ids)
		if err != nil {
			s.t.Fatalf("%s: %v", when, err)
		}
		if id == 0 {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			s.t.Fatalf("%s: event %d was not announced", when, id)
		}
	}
}

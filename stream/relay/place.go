package relay

import (
	"context"
	"fmt"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/backoff"
)

// place says that a reader with the cursor continues behind an entry.
type place struct {
	cursor stream.Cursor
	number uint64
	entry  Entry // without events
}

// readTime is how long Wait waits for a reading to end.
const readTime = 500 * time.Millisecond

// Wait waits until the stream may have more than what was read last, or two seconds at most. Its error is that of the store. After it has
// returned, it waits for a reading to end at first: until then the stream has more.
func (l *Log) Wait(ctx context.Context) error {
	if err := backoff.SleepUntil(ctx, readTime, l.ended); err != nil {
		return err
	}
	return l.entries.Wait(ctx, l.seen.Load())
}

// readAt begins to read behind the place of a cursor, with the state and the first page in one call of the store.
func (l *Log) readAt(ctx context.Context, at place, from stream.Cursor) (*reading, error) {
	st, page, err := l.entries.Look(ctx, at.number, l.pageEntries, pageBytes+int64(at.entry.size))
	if err != nil {
		return nil, fmt.Errorf("read the stream: %w", err)
	}
	if err := l.note(&st); err != nil {
		return nil, err
	}
	r := &reading{log: l, state: st, from: from, cursor: from, number: at.number, entry: at.entry, page: &page}
	return r, honours(&st, from)
}

func (l *Log) hinted(from stream.Cursor) (place, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hint, l.hint.number != 0 && l.hint.cursor.Equal(from)
}

// remember remembers where a reading ended: the next one will begin there. The stream may have had parts of a transaction up to an entry behind
// it, for which the next Wait must not return.
func (l *Log) remember(p place, last uint64) {
	p.entry.Events = nil
	l.mu.Lock()
	l.hint = p
	l.mu.Unlock()
	if last > l.seen.Load() {
		l.seen.Store(last)
	}
	select {
	case l.ended <- struct{}{}:
	default:
	}
}

package relay

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// The size of a page.
const (
	pageEntries = 1000
	pageBytes   = 1 << 20
)

// LogOptions configure a Log. Zero values mean the defaults.
type LogOptions struct {
	// MaxEventBytes is the size of the largest event that the relay reads; 4 MiB if 0.
	MaxEventBytes int64
}

// Log reads a log from a stream. It implements stream.Log and stream.Delayed, and is safe for concurrent use.
type Log struct {
	entries       Entries
	maxEventBytes int64
	pageEntries   int
	delay         atomic.Int64
	seen          atomic.Uint64 // how far the stream was read: up to its last entry then, whether that was whole or not
	ended         chan struct{} // has a value if a reading of Read has ended since Wait last returned

	mu      sync.Mutex
	hint    place     // where the last reading of Read ended
	wholeAt time.Time // when the log was last read to its end, as far as this log knows; at first, when this log began
}

var (
	_ stream.Log     = (*Log)(nil)
	_ stream.Delayed = (*Log)(nil)
)

// NewLog returns the log in a store.
func NewLog(entries Entries, opts LogOptions) *Log {
	if opts.MaxEventBytes <= 0 {
		opts.MaxEventBytes = 4 << 20
	}
	return &Log{entries: entries, maxEventBytes: opts.MaxEventBytes, pageEntries: pageEntries, wholeAt: time.Now(), ended: make(chan struct{}, 1)}
}

// PageBytes bounds the memory of a page: its events as received, and once more. A store may return one entry more than was wanted.
func (l *Log) PageBytes() int64 { return 2 * (pageBytes + 2*l.maxEventBytes) }

// Delay returns how long ago the relay had last read the log to its end, as of the last answer of the store.
func (l *Log) Delay() time.Duration { return time.Duration(l.delay.Load()) }

// state reads the state. Its error says that there is no stream yet.
func (l *Log) state(ctx context.Context) (State, error) {
	st, err := l.entries.State(ctx)
	if err != nil {
		return st, fmt.Errorf("read the stream: %w", err)
	}
	return st, l.note(&st)
}

// note notes what the state says about the whole stream. Its error says that there is none yet.
func (l *Log) note(st *State) error {
	l.delay.Store(int64(l.delayOf(st.MarkAge)))
	if st.Number < l.seen.Load() {
		l.seen.Store(st.Number)
	}
	if len(st.Changes) == 0 || st.Whole == 0 {
		return errNone
	}
	return nil
}

// delayOf returns the delay for the age of the mark. A stream that was just begun has none: then the log was last read to its end when an earlier stream
// says so, but not within the last minute, so that readers are stale.
func (l *Log) delayOf(markAge time.Duration) time.Duration {
	const never = 10 * 365 * 24 * time.Hour
	l.mu.Lock()
	defer l.mu.Unlock()
	if markAge >= never {
		return max(time.Minute, time.Since(l.wholeAt))
	}
	l.wholeAt = time.Now().Add(-markAge)
	return markAge
}

// Read begins to read what the stream has now and the cursor has not seen. Wait, and where the next Read begins, follow the readings of Read: they
// are those of the feed.
func (l *Log) Read(ctx context.Context, from stream.Cursor) (stream.Reading, error) {
	r, err := l.read(ctx, from)
	if err != nil {
		return nil, err
	}
	r.isFollowed = true
	return r, nil
}

// Resume begins to read like Read, for a client.
func (l *Log) Resume(ctx context.Context, from stream.Cursor) (stream.Reading, error) {
	r, err := l.read(ctx, from)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (l *Log) read(ctx context.Context, from stream.Cursor) (*reading, error) {
	if at, ok := l.hinted(from); ok { // the first page shows whether it is right
		return l.readAt(ctx, at, from)
	}
	st, err := l.validate(ctx, from)
	if err != nil {
		return nil, err
	}
	r := &reading{log: l, state: st, from: from, cursor: from}
	if err := r.find(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// validate returns the state if the cursor is one of the present epoch that can be right.
func (l *Log) validate(ctx context.Context, from stream.Cursor) (State, error) {
	st, err := l.state(ctx)
	if err == nil {
		err = honours(&st, from)
	}
	return st, err
}

// honours returns an error if the cursor is not one of the present epoch that can be right.
func honours(st *State, from stream.Cursor) error {
	switch {
	case from.Epoch() != st.epoch():
		return fmt.Errorf("%w: it names %s, this is %s", stream.ErrOtherLog, from.Epoch(), st.epoch())
	case from.Next() > st.Mark.Next+maxAhead && st.MarkAge < maxMarkAge:
		return fmt.Errorf("%w: it has seen up to %d, the next is about %d", stream.ErrFuture, from.Next(), st.Mark.Next)
	}
	return nil
}

// A client that comes from another server may be ahead of the relay. In the time between two marks, a database begins fewer than maxAhead
// transactions; if the mark is older than maxMarkAge, the relay is away, and how far the log is is not known.
const (
	maxAhead   = 10_000_000
	maxMarkAge = 5 * time.Second
)

// maxCounted is the number of events up to which Check reads them.
const maxCounted = 1000

// Check returns the number of events that the cursor has not seen; -1 if they are many or some are not public.
func (l *Log) Check(ctx context.Context, from stream.Cursor) (int, error) {
	st, err := l.validate(ctx, from)
	if err != nil {
		return 0, err
	}
	r := &reading{log: l, state: st, from: from, cursor: from}
	if err := r.find(ctx); err != nil {
		return 0, err
	}
	end, err := l.at(ctx, r.state.Whole)
	if err != nil {
		return 0, err
	}
	left := end.Totals.since(r.entry.Totals)
	switch {
	case left.Private > 0 || l.check(ctx, &st) != nil:
		return -1, nil
	case r.state.present(r.number, r.entry.Cursor).Equal(from) && left.Events < 1<<31:
		return int(left.Events), nil
	case left.Events > maxCounted:
		return -1, nil
	}
	return r.count(ctx)
}

// Tail returns a cursor of the stream after which about the given number of events follow.
func (l *Log) Tail(ctx context.Context, events int, bytes int64) (stream.Cursor, error) {
	st, err := l.state(ctx)
	if err != nil {
		return stream.Cursor{}, err
	}
	end, err := l.at(ctx, st.Whole)
	if err != nil {
		return stream.Cursor{}, err
	}
	first, err := l.first(ctx, &st)
	if err != nil {
		return stream.Cursor{}, err
	}
	fits := func(e *Entry, _ uint64) bool {
		t := end.Totals.since(e.Totals)
		return t.Events <= uint64(max(events, 0)) && t.Bytes <= uint64(max(bytes, 0))
	}
	if fits(&first.entry, first.number) {
		return st.present(first.number, first.entry.Cursor), l.check(ctx, &st)
	}
	found, err := l.search(ctx, &st, first, func(e *Entry, n uint64) bool { return !fits(e, n) })
	if err != nil {
		return stream.Cursor{}, err
	}
	cursor, err := l.cursorAfter(ctx, &st, found)
	if err != nil {
		return stream.Cursor{}, err
	}
	return cursor, l.check(ctx, &st)
}

// errForked says that what was read may belong to two histories of the stream.
const errForked = passingError("a relay has just continued it from another entry: try again")

// check returns an error if the stream is not what it was with that state, and more.
func (l *Log) check(ctx context.Context, st *State) error {
	now, err := l.state(ctx)
	if err == nil && now.Fork != st.Fork {
		err = errForked
	}
	return err
}

// cursorAfter returns the cursor of the entry behind a place or, at the end of the stream, of the place.
func (l *Log) cursorAfter(ctx context.Context, st *State, at place) (stream.Cursor, error) {
	next := st.up(at.number + 1)
	if next > st.Whole {
		return st.present(at.number, at.entry.Cursor), nil
	}
	e, err := l.at(ctx, next)
	return st.present(next, e.Cursor), err
}

// errTrimmed says that an entry was removed meanwhile.
const errTrimmed = passingError("an entry was removed meanwhile")

// at returns the entry with that number.
func (l *Log) at(ctx context.Context, number uint64) (Entry, error) {
	return entryAt(ctx, l.entries, number)
}

func entryAt(ctx context.Context, entries Entries, number uint64) (Entry, error) {
	found, err := entries.Range(ctx, number, 1, 1)
	switch {
	case err != nil:
		return Entry{}, fmt.Errorf("read the stream: %w", err)
	case len(found.Entries) == 0 || found.Entries[0].Number != number:
		return Entry{}, errTrimmed
	}
	return decode(found.Entries[0])
}

func decode(s Stored) (Entry, error) {
	e, err := Decode(s.Data)
	if err != nil {
		return e, fmt.Errorf("read entry %d of the stream: %w", s.Number, err)
	}
	e.size = len(s.Data)
	return e, nil
}

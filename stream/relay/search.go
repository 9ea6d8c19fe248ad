package relay

import (
	"context"
	"fmt"

	"github.com/pgherald/pgherald/stream"
)

// first returns the first entry that is left and not void.
func (l *Log) first(ctx context.Context, st *State) (place, error) {
	return firstOf(ctx, l.entries, st)
}

func firstOf(ctx context.Context, entries Entries, st *State) (place, error) {
	found, err := entries.Range(ctx, 1, 1, 1)
	if err != nil {
		return place{}, fmt.Errorf("read the stream: %w", err)
	}
	if len(found.Entries) == 0 {
		return place{}, errNone
	}
	number := st.up(found.Entries[0].Number)
	if number != found.Entries[0].Number {
		e, err := entryAt(ctx, entries, number)
		return place{number: number, entry: e}, err
	}
	e, err := decode(found.Entries[0])
	return place{number: number, entry: e}, err
}

// search returns the newest entry for which is returns true. It must be true for lo and, if it is for an entry, for all before.
func (l *Log) search(ctx context.Context, st *State, lo place, is func(e *Entry, number uint64) bool) (place, error) {
	return searchIn(ctx, l.entries, st, lo, is)
}

func searchIn(ctx context.Context, entries Entries, st *State, lo place, is func(e *Entry, number uint64) bool) (place, error) {
	low, high := lo.number, st.Whole // it is true at low; the answer is not above high
	for low < high {
		middle := low + (high-low+1)/2
		number := st.down(middle)
		if number <= lo.number { // everything up to the middle was removed or is void
			low = middle
			continue
		}
		e, err := entryAt(ctx, entries, number)
		if err != nil {
			return lo, err
		}
		if is(&e, number) {
			low = middle
			if number > lo.number {
				lo = place{number: number, entry: e}
			}
		} else {
			high = number - 1
		}
	}
	return lo, nil
}

// find finds the place of the reading's cursor: behind the newest entry that the cursor covers.
func (r *reading) find(ctx context.Context) error {
	first, err := r.log.first(ctx, &r.state)
	if err != nil {
		return err
	}
	isCovered := func(e *Entry, number uint64) bool { return r.cursor.Covers(r.state.present(number, e.Cursor)) }
	if !isCovered(&first.entry, first.number) {
		return fmt.Errorf("%w: the stream begins at %d", stream.ErrPruned, first.entry.Cursor.Next())
	}
	found, err := r.log.search(ctx, &r.state, first, isCovered)
	r.number, r.entry = found.number, found.entry
	return err
}

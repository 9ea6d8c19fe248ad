package stream

import (
	"context"
	"slices"
)

// Mark is a place in a feed up to which somebody has looked. It is no subscription: what is dropped
// before it is looked at is passed over.
type Mark struct {
	generation uint64
	pos        uint64
}

// Mark returns the end of the feed.
func (f *Feed) Mark() Mark {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.mark()
}

func (f *Feed) mark() Mark { return Mark{generation: f.generation, pos: f.ring.end()} }

// Written appends when each event behind the mark was written, in Unix nanoseconds of Postgres's
// clock, and returns the new end of the feed. Events that the feed only refers to the log for are
// left out, and so is all that was there when the feed was replaced.
func (f *Feed) WrittenSince(dst []int64, since Mark) ([]int64, Mark) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	r, end := f.ring, f.mark()
	if since.generation != end.generation {
		return dst, end
	}
	for pos := max(since.pos, r.first); pos < end.pos; pos++ {
		frames := r.at(pos).frames
		dst = slices.Grow(dst, len(frames))
		for i := range frames {
			dst = append(dst, frames[i].at)
		}
	}
	return dst, end
}

// told is a reading that somebody is told of.
type told struct {
	Reading
	tell func(*Event)
}

func (r told) Next(ctx context.Context) (Transaction, error) {
	t, err := r.Reading.Next(ctx)
	for i := range t.Events {
		r.tell(&t.Events[i])
	}
	return t, err
}

package stream

import "slices"

// Mark is the position up to which a caller of TimesSince has read the feed. Unlike a subscription,
// it skips evicted events.
type Mark struct {
	generation uint64
	pos        uint64
}

// Mark returns the end of the feed.
func (f *Feed) Mark() Mark {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.endMark()
}

func (f *Feed) endMark() Mark { return Mark{generation: f.generation, pos: f.buffer.end()} }

// EventTimes says when an event was where, in Unix nanoseconds.
type EventTimes struct {
	Inserted int64 // in the log, by the clock of PostgreSQL
	Read     int64 // in the feed, by the clock of this server
}

// TimesSince appends to dst the times of each event after the mark. It also returns the mark for the
// next call. It leaves out events that only the log holds, and everything before a reset.
func (f *Feed) TimesSince(dst []EventTimes, since Mark) ([]EventTimes, Mark) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	r, end := f.buffer, f.endMark()
	if since.generation != end.generation {
		return dst, end
	}
	for pos := max(since.pos, r.first); pos < end.pos; pos++ {
		e := r.at(pos)
		dst = slices.Grow(dst, len(e.frames))
		for i := range e.frames {
			dst = append(dst, EventTimes{Inserted: e.frames[i].at, Read: e.read})
		}
	}
	return dst, end
}

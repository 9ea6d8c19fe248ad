package stream

import (
	"sort"
	"sync/atomic"
)

// ringBuffer holds the newest part of the log in memory, bounded in bytes. push evicts the oldest
// entries to make room. A position is the number of entries that the feed appended before it, so the
// entry at a position below first was evicted.
//
// Invariant: in the sequence floor, entries[0].cursor, entries[1].cursor, …, head, each cursor covers
// the one before it.
type ringBuffer struct {
	limit   int64        // of size and fields together
	size    int64        // estimated bytes of the entries, without their fields
	fields  atomic.Int64 // estimated bytes of the entries' fields and changes
	first   uint64       // the position of entries[0]
	entries []*entry
	floor   Cursor // before entries[0]
	head    Cursor // after the last entry, or later if transactions ended without events
}

func newRingBuffer(limit int64, floor Cursor) *ringBuffer {
	return &ringBuffer{limit: limit, floor: floor, head: floor}
}

// end returns the position behind the newest entry.
func (r *ringBuffer) end() uint64 { return r.first + uint64(len(r.entries)) }

func (r *ringBuffer) at(pos uint64) *entry { return r.entries[pos-r.first] }

// cursorBefore returns the cursor before the entry at pos. With pos = end() it returns the cursor after
// the newest entry. head may contain more than that: transactions that ended later, without events.
func (r *ringBuffer) cursorBefore(pos uint64) Cursor {
	if pos == r.first {
		return r.floor
	}
	return r.at(pos - 1).cursor
}

// push appends the entry and evicts the oldest ones beyond the limit, which it passes to evicted. The newest always
// stays.
func (r *ringBuffer) push(e *entry, evicted func(*entry)) {
	r.entries = append(r.entries, e)
	r.size += e.size()
	r.head = e.cursor
	for r.size+r.fields.Load() > r.limit && len(r.entries) > 1 {
		evicted(r.evict())
	}
}

func (r *ringBuffer) evict() *entry {
	oldest := r.entries[0]
	r.size -= oldest.size()
	r.fields.Add(-oldest.fieldSpace - oldest.changeSpace)
	r.floor = oldest.cursor
	r.entries[0] = nil
	r.entries = r.entries[1:]
	r.first++
	return oldest
}

// covers reports whether c has seen everything that came before the oldest entry, so that a
// subscription can continue after c.
func (r *ringBuffer) covers(c Cursor) bool { return c.Covers(r.floor) }

// seek returns the position of the first entry whose cursor c does not cover: c contains every entry
// before it. It returns false if the buffer does not cover c.
func (r *ringBuffer) seek(c Cursor) (uint64, bool) {
	if !r.covers(c) {
		return 0, false
	}
	n := sort.Search(len(r.entries), func(i int) bool { return !c.Covers(r.entries[i].cursor) })
	return r.first + uint64(n), true
}

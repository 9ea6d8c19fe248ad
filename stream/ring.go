package stream

import (
	"sort"
	"sync/atomic"
)

// ring is the newest part of the log in memory, bounded in bytes. A position counts the entries
// that ever came before it and never returns, so a reader knows whether it fell off.
//
// The cursors of its entries grow: each has seen all that the one before has.
type ring struct {
	limit   int64
	size    int64
	indexed atomic.Int64 // about what the entries' fields take, beside size
	first   uint64       // position of entries[0]
	entries []*entry
	floor   Cursor // before entries[0]
	head    Cursor // after the last entry, or later if transactions ended without events
}

func newRing(limit int64, floor Cursor) *ring {
	return &ring{limit: limit, floor: floor, head: floor}
}

func (r *ring) end() uint64 { return r.first + uint64(len(r.entries)) }

func (r *ring) at(pos uint64) *entry { return r.entries[pos-r.first] }

// before is the cursor in front of the entry at pos. What head has seen and the one before end has not has
// ended without events.
func (r *ring) before(pos uint64) Cursor {
	if pos == r.first {
		return r.floor
	}
	return r.at(pos - 1).cursor
}

// push appends the entry and drops the oldest ones beyond the limit; the newest always stays.
func (r *ring) push(e *entry) {
	r.entries = append(r.entries, e)
	r.size += e.size()
	r.head = e.cursor
	for r.size+r.indexed.Load() > r.limit && len(r.entries) > 1 {
		r.size -= r.entries[0].size()
		r.indexed.Add(-r.entries[0].indexed)
		r.floor = r.entries[0].cursor
		r.entries[0] = nil
		r.entries = r.entries[1:]
		r.first++
	}
}

// seek returns the position of the first entry that c has not fully seen. It is false if c has
// not seen all that came before the ring.
func (r *ring) seek(c Cursor) (uint64, bool) {
	if !c.Covers(r.floor) {
		return 0, false
	}
	n := sort.Search(len(r.entries), func(i int) bool { return !c.Covers(r.entries[i].cursor) })
	return r.first + uint64(n), true
}

// index makes the entry's fields known, once for all who ask. The feed's mu must be held, which
// keeps the entry in the ring.
func (r *ring) index(e *entry) {
	e.once.Do(func() {
		e.index()
		r.indexed.Add(e.indexed)
	})
}

package stream

import "slices"

// Cursor is the set of transactions whose events a client has seen: all transactions below next
// except the holes. A sequence number or a timestamp cannot express such a set, because transactions
// do not commit in the order in which they begin.
//
// A Cursor is immutable. Its methods return new cursors, which may share memory. The zero Cursor
// is the empty set and belongs to no log.
//
// Beside the set, a Cursor has an LSN, which proves that the set is still right after a failover: see
// Lineage. It does not belong to the set: methods that compare cursors ignore it.
type Cursor struct {
	epoch string
	next  uint64
	holes []uint64 // ascending, without repeats, all below next
	lsn   uint64
	isCut bool
}

// NewCursor returns the cursor in the given epoch that contains every transaction below next except
// those in open. open may be in any order; NewCursor ignores elements at or above next.
func NewCursor(epoch string, next uint64, open []uint64) Cursor {
	return Cursor{epoch: epoch, next: next, holes: holesBelow(next, open, func(uint64) bool { return true })}
}

// WithLSN returns the same set with another LSN: the position in the write-ahead log below which every
// transaction in the set has committed. 0 means that it is not known.
func (c Cursor) WithLSN(lsn uint64) Cursor {
	c.lsn = lsn
	return c
}

// LSN returns the position in the write-ahead log below which every transaction in the set has
// committed, 0 if it is not known.
func (c Cursor) LSN() uint64 { return c.lsn }

// IsCut reports whether the set lacks transactions that the client has seen, because the text would have
// been too long: the client receives their events again.
func (c Cursor) IsCut() bool { return c.isCut }

// Epoch returns the epoch in which the cursor is valid.
func (c Cursor) Epoch() string { return c.epoch }

// Next returns the lowest transaction id above every transaction in the set and every hole.
func (c Cursor) Next() uint64 { return c.next }

// Holes returns the transactions below Next that are not in the set, ascending. The caller must not
// change the slice.
func (c Cursor) Holes() []uint64 { return c.holes }

// IsZero reports whether c is the zero Cursor: that of a client that has never connected.
func (c Cursor) IsZero() bool { return c.epoch == "" }

// Seen reports whether the set contains the transaction.
func (c Cursor) Seen(xid uint64) bool {
	if xid >= c.next {
		return false
	}
	_, hole := slices.BinarySearch(c.holes, xid)
	return !hole
}

// Covers reports whether c is a superset of d. Cursors of different epochs do not cover each other.
func (c Cursor) Covers(d Cursor) bool {
	if c.epoch != d.epoch {
		return false
	}
	for _, h := range c.holes {
		if d.Seen(h) {
			return false
		}
	}
	if c.next >= d.next {
		return true
	}
	// d reaches further than c. c covers it only if everything from c.next on is a hole of d.
	i, _ := slices.BinarySearch(d.holes, c.next)
	return uint64(len(d.holes)-i) == d.next-c.next
}

// Union returns the union of both sets. Both cursors must have the same epoch.
func (c Cursor) Union(d Cursor) Cursor {
	if c.next > d.next {
		c, d = d, c
	}
	u := Cursor{epoch: d.epoch, next: d.next, holes: holesBelow(d.next, d.holes, func(h uint64) bool { return !c.Seen(h) })}
	u.isCut = c.isCut || d.isCut
	if c.lsn != 0 && d.lsn != 0 {
		u.lsn = max(c.lsn, d.lsn)
	}
	return u
}

// Deliver returns the cursor after the delivery of transaction xid. open must contain every
// transaction whose events may still follow: those that were running when xid was read, and those
// that the same read delivers later. With next' = max(next, xid+1), the result is
//
//	c ∪ {xid} ∪ {x < next' : x not in open}
//
// This closes each hole that is not in open: its transaction has ended without events.
//
// next never exceeds the highest delivered transaction by more than one. After a crash, PostgreSQL
// may assign the id of an aborted transaction at the end of the WAL again, but no id below that of a
// delivered commit.
func (c Cursor) Deliver(xid uint64, open []uint64) Cursor {
	next := max(c.next, xid+1)
	c.holes, c.next = holesBelow(next, open, func(x uint64) bool { return x != xid && !c.Seen(x) }), next
	return c
}

// CloseHoles returns c without the holes that are not in open: those transactions have ended
// without events. The LSN stays: it says something about transactions with events only.
func (c Cursor) CloseHoles(open []uint64) Cursor {
	if len(c.holes) == 0 {
		return c
	}
	c.holes = holesBelow(c.next, open, func(x uint64) bool { return !c.Seen(x) })
	return c
}

// Equal reports whether both cursors are the same set in the same log.
func (c Cursor) Equal(d Cursor) bool {
	return c.epoch == d.epoch && c.next == d.next && slices.Equal(c.holes, d.holes)
}

// holesBelow returns the elements of open below next for which isHole returns true, ascending and
// without repeats.
func holesBelow(next uint64, open []uint64, isHole func(uint64) bool) []uint64 {
	var holes []uint64
	for _, x := range open {
		if x < next && isHole(x) {
			holes = append(holes, x)
		}
	}
	slices.Sort(holes)
	return slices.Compact(holes)
}

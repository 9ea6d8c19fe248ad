package stream

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// MaxCursorLen bounds the text form of a cursor, in bytes. Cursors travel in HTTP headers and query
// strings, for which proxies allow 4 to 8 kB.
const MaxCursorLen = 512

// ErrMalformedCursor is wrapped by the errors of ParseCursor.
var ErrMalformedCursor = errors.New("malformed cursor")

// Cursor is the set of transactions whose events a client has seen: all transactions below next
// except the holes. A sequence number or a timestamp cannot express such a set, because transactions
// do not commit in the order in which they begin.
//
// A Cursor is immutable. Its methods return new cursors, which may share memory. The zero Cursor
// is the empty set and belongs to no log.
type Cursor struct {
	epoch string
	next  uint64
	holes []uint64 // ascending, without repeats, all below next
}

// NewCursor returns the cursor in the given epoch that contains every transaction below next except
// those in open. open may be in any order; NewCursor ignores elements at or above next.
func NewCursor(epoch string, next uint64, open []uint64) Cursor {
	return Cursor{epoch: epoch, next: next, holes: holesBelow(next, open, func(uint64) bool { return true })}
}

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
	return Cursor{epoch: d.epoch, next: d.next, holes: holesBelow(d.next, d.holes, func(h uint64) bool { return !c.Seen(h) })}
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
	return Cursor{epoch: c.epoch, next: next, holes: holesBelow(next, open, func(x uint64) bool {
		return x != xid && !c.Seen(x)
	})}
}

// CloseHoles returns c without the holes that are not in open: those transactions have ended
// without events.
func (c Cursor) CloseHoles(open []uint64) Cursor {
	if len(c.holes) == 0 {
		return c
	}
	return Cursor{epoch: c.epoch, next: c.next, holes: holesBelow(c.next, open, func(x uint64) bool { return !c.Seen(x) })}
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

// String returns the text form, which is the SSE id: the epoch, next and, if there are holes, the
// distances from next down to each of them, all in base 36: "k3f9-1z8q-3.1.4".
//
// If that exceeds MaxCursorLen, String cuts the set off at a hole, the highest with which the text
// fits. A client that resumes with it may receive events again, and never misses one.
func (c Cursor) String() string {
	if s := c.text(); len(s) <= MaxCursorLen {
		return s
	}
	// below returns the cursor cut off at the nth hole from the top.
	below := func(n int) Cursor {
		n = len(c.holes) - n
		return Cursor{epoch: c.epoch, next: c.holes[n], holes: c.holes[:n]}
	}
	n := sort.Search(len(c.holes)-1, func(i int) bool { return len(below(i+1).text()) <= MaxCursorLen })
	return below(n + 1).text()
}

func (c Cursor) text() string {
	b := make([]byte, 0, len(c.epoch)+16+3*len(c.holes))
	b = append(b, c.epoch...)
	b = append(b, '-')
	b = strconv.AppendUint(b, c.next, 36)
	above, separator := c.next, byte('-')
	for _, h := range slices.Backward(c.holes) {
		b = append(b, separator)
		b = strconv.AppendUint(b, above-h, 36)
		above, separator = h, '.'
	}
	return string(b)
}

// ParseCursor parses the text form. It accepts only what String returns, no other spelling of the
// same numbers. Its error wraps ErrMalformedCursor.
func ParseCursor(s string) (Cursor, error) {
	if len(s) > MaxCursorLen {
		return Cursor{}, fmt.Errorf("%w: longer than %d bytes", ErrMalformedCursor, MaxCursorLen)
	}
	epoch, numbers, _ := strings.Cut(s, "-")
	next, holes, hasHoles := strings.Cut(numbers, "-")
	if !isEpoch(epoch) {
		return Cursor{}, fmt.Errorf("%w: no epoch", ErrMalformedCursor)
	}
	c := Cursor{epoch: epoch}
	var err error
	if c.next, err = parseBase36(next); err != nil {
		return Cursor{}, err
	}
	if hasHoles {
		if c.holes, err = parseHoles(c.next, holes); err != nil {
			return Cursor{}, err
		}
	}
	return c, nil
}

func parseHoles(next uint64, s string) ([]uint64, error) {
	fields := strings.Split(s, ".")
	holes := make([]uint64, len(fields))
	for i, f := range fields {
		d, err := parseBase36(f)
		if err != nil {
			return nil, err
		}
		if d == 0 || d > next {
			return nil, fmt.Errorf("%w: distance out of range", ErrMalformedCursor)
		}
		next -= d
		holes[len(fields)-1-i] = next
	}
	return holes, nil
}

func parseBase36(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 36, 64)
	if err != nil || strconv.FormatUint(n, 36) != s {
		return 0, fmt.Errorf("%w: not a number", ErrMalformedCursor)
	}
	return n, nil
}

func isEpoch(s string) bool {
	if len(s) == 0 || len(s) > 16 {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return false
		}
	}
	return true
}

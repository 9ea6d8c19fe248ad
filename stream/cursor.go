package stream

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// MaxCursorLen is the longest text form of a cursor, in bytes. Cursors travel in HTTP headers
// and query strings, so they must stay well below the 4 to 8 kB that proxies allow for those.
const MaxCursorLen = 512

// ErrMalformedCursor is returned by ParseCursor for a text that no server of ours has sent.
var ErrMalformedCursor = errors.New("malformed cursor")

// Cursor is the exact set of transactions whose events were delivered: all below next, but for
// the holes. Sequence numbers and timestamps cannot say this, since transactions do not commit
// in the order in which they began.
//
// A Cursor is immutable; its methods return new ones and may share memory. The zero Cursor has
// seen nothing and belongs to no log.
type Cursor struct {
	epoch string
	next  uint64
	holes []uint64 // ascending, without repeats, all below next
}

// NewCursor returns the cursor of the log named epoch that has seen every transaction below
// next except those in open, in any order; what is in open but not below next is left out.
func NewCursor(epoch string, next uint64, open []uint64) Cursor {
	return Cursor{epoch: epoch, next: next, holes: below(next, open, func(uint64) bool { return true })}
}

// Epoch names the log, and the timeline it was written on, in which the cursor has a meaning.
func (c Cursor) Epoch() string { return c.epoch }

// Next is the lowest transaction of which nothing is known yet.
func (c Cursor) Next() uint64 { return c.next }

// Holes are the transactions below Next that were not delivered, in ascending order. The caller
// must not change them.
func (c Cursor) Holes() []uint64 { return c.holes }

// IsZero reports whether c is the zero Cursor, as of a client that comes for the first time.
func (c Cursor) IsZero() bool { return c.epoch == "" }

// Seen reports whether the transaction is in the set.
func (c Cursor) Seen(xid uint64) bool {
	if xid >= c.next {
		return false
	}
	_, hole := slices.BinarySearch(c.holes, xid)
	return !hole
}

// Covers reports whether c has seen all that d has seen. Cursors of different epochs do not
// cover each other.
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
	// d reaches further: it has seen nothing there only if all of it is holes.
	i, _ := slices.BinarySearch(d.holes, c.next)
	return uint64(len(d.holes)-i) == d.next-c.next
}

// Union returns the cursor that has seen what c or d has seen. Both must be of one epoch.
func (c Cursor) Union(d Cursor) Cursor {
	if c.next > d.next {
		c, d = d, c
	}
	return Cursor{epoch: d.epoch, next: d.next, holes: below(d.next, d.holes, func(h uint64) bool { return !c.Seen(h) })}
}

// Deliver returns the cursor after the delivery of transaction xid. open must hold every
// transaction that may still bring events: those that were running when xid was read, and those
// that were read with it and are delivered later. Holes that are not in open have ended without
// events and are closed.
//
// The cursor never moves past the highest delivered transaction: an aborted one at the very
// tail of the WAL can get its number again after a crash, one below a delivered commit cannot.
func (c Cursor) Deliver(xid uint64, open []uint64) Cursor {
	next := max(c.next, xid+1)
	return Cursor{epoch: c.epoch, next: next, holes: below(next, open, func(x uint64) bool {
		return x != xid && !c.Seen(x)
	})}
}

// Settle returns c without the holes that are not in open: those transactions have ended and
// left no events.
func (c Cursor) CloseHoles(open []uint64) Cursor {
	if len(c.holes) == 0 {
		return c
	}
	return Cursor{epoch: c.epoch, next: c.next, holes: below(c.next, open, func(x uint64) bool { return !c.Seen(x) })}
}

// Equal reports whether both cursors are the same set in the same log.
func (c Cursor) Equal(d Cursor) bool {
	return c.epoch == d.epoch && c.next == d.next && slices.Equal(c.holes, d.holes)
}

// below returns what of open is below next and wanted, sorted and without repeats.
func below(next uint64, open []uint64, want func(uint64) bool) []uint64 {
	var out []uint64
	for _, x := range open {
		if x < next && want(x) {
			out = append(out, x)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// String returns the text form, which is the SSE id: the epoch, next and, if there are any, the
// distances from next down to each hole, all in base 36: "k3f9-1z8q-3.1.4".
//
// If that would be longer than MaxCursorLen, it is the text of an earlier cursor that fits:
// whoever resumes from it may see events again, and never misses one.
func (c Cursor) String() string {
	if s := c.text(); len(s) <= MaxCursorLen {
		return s
	}
	lowered := func(n int) Cursor {
		n = len(c.holes) - n
		return Cursor{epoch: c.epoch, next: c.holes[n], holes: c.holes[:n]}
	}
	n := sort.Search(len(c.holes)-1, func(i int) bool { return len(lowered(i+1).text()) <= MaxCursorLen })
	return lowered(n + 1).text()
}

func (c Cursor) text() string {
	b := make([]byte, 0, len(c.epoch)+16+3*len(c.holes))
	b = append(b, c.epoch...)
	b = append(b, '-')
	b = strconv.AppendUint(b, c.next, 36)
	above, sep := c.next, byte('-')
	for _, h := range slices.Backward(c.holes) {
		b = append(b, sep)
		b = strconv.AppendUint(b, above-h, 36)
		above, sep = h, '.'
	}
	return string(b)
}

// ParseCursor reads the text form. Only what String returns is accepted: another spelling of
// the same numbers is malformed too. Its error wraps ErrMalformedCursor.
func ParseCursor(s string) (Cursor, error) {
	if len(s) > MaxCursorLen {
		return Cursor{}, fmt.Errorf("%w: longer than %d bytes", ErrMalformedCursor, MaxCursorLen)
	}
	epoch, rest, _ := strings.Cut(s, "-")
	next, holes, hasHoles := strings.Cut(rest, "-")
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

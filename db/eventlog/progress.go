package eventlog

import (
	"slices"

	"github.com/pgherald/pgherald/stream"
)

// progress moves a cursor on through the transactions of one read. What stays open at each step
// is what was running, and what is delivered later; of the latter only those below the cursor
// matter, and these are few, since transactions are numbered nearly in the order of their ends.
type cursorWalk struct {
	cursor  stream.Cursor
	running []uint64
	above   []uint64 // not delivered and above the cursor, ascending
	below   []uint64 // not delivered and below it
}

// newProgress begins at from; unread holds every transaction of the read, in any order.
func newCursorWalk(from stream.Cursor, running, unread []uint64) cursorWalk {
	ahead := slices.Clone(unread)
	slices.Sort(ahead)
	p := cursorWalk{cursor: from, running: running, above: ahead}
	p.advance(from.Next())
	return p
}

// pass moves what is below next from ahead to open.
func (p *cursorWalk) advance(next uint64) {
	n, _ := slices.BinarySearch(p.above, next)
	p.below = append(p.below, p.above[:n]...)
	p.above = p.above[n:]
}

// deliver moves the cursor on and returns it.
func (p *cursorWalk) deliver(xid uint64) stream.Cursor {
	p.advance(xid + 1)
	p.below = slices.DeleteFunc(p.below, func(x uint64) bool { return x == xid })
	p.cursor = p.cursor.Deliver(xid, append(slices.Clip(p.below), p.running...))
	return p.cursor
}

// settled is the cursor when everything was delivered: only what was running is open.
func (p *cursorWalk) end() stream.Cursor { return p.cursor.CloseHoles(p.running) }

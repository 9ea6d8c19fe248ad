package eventlog

import (
	"slices"

	"github.com/pgherald/pgherald/stream"
)

// progress moves a cursor on through the transactions of one read. What stays open at each step
// is what was running, and what is delivered later; of the latter only those below the cursor
// matter, and these are few, since transactions are numbered nearly in the order of their ends.
type progress struct {
	cursor  stream.Cursor
	running []uint64
	ahead   []uint64 // not delivered and above the cursor, ascending
	open    []uint64 // not delivered and below it
}

// newProgress begins at from; unread holds every transaction of the read, in any order.
func newProgress(from stream.Cursor, running, unread []uint64) progress {
	ahead := slices.Clone(unread)
	slices.Sort(ahead)
	p := progress{cursor: from, running: running, ahead: ahead}
	p.pass(from.Next())
	return p
}

// pass moves what is below next from ahead to open.
func (p *progress) pass(next uint64) {
	n, _ := slices.BinarySearch(p.ahead, next)
	p.open = append(p.open, p.ahead[:n]...)
	p.ahead = p.ahead[n:]
}

// deliver moves the cursor on and returns it.
func (p *progress) deliver(xid uint64) stream.Cursor {
	p.pass(xid + 1)
	p.open = slices.DeleteFunc(p.open, func(x uint64) bool { return x == xid })
	p.cursor = p.cursor.Deliver(xid, append(slices.Clip(p.open), p.running...))
	return p.cursor
}

// settled is the cursor when everything was delivered: only what was running is open.
func (p *progress) settled() stream.Cursor { return p.cursor.CloseHoles(p.running) }

package eventlog

import (
	"slices"

	"github.com/pgherald/pgherald/stream"
)

// cursorWalk advances a cursor through the transactions of one read. At each step the holes are the
// running transactions, and the transactions below the cursor's next that this read delivers later. The
// latter are few, because transactions commit nearly in the order of their xids.
type cursorWalk struct {
	cursor  stream.Cursor
	lsn     uint64 // of the read
	running []uint64
	above   []uint64 // undelivered, at or above the cursor's next; ascending
	below   []uint64 // undelivered, below it
}

// newCursorWalk returns a walk that starts at from. undelivered holds every transaction of the read, in
// any order.
func newCursorWalk(from stream.Cursor, st state, undelivered []uint64) cursorWalk {
	above := slices.Clone(undelivered)
	slices.Sort(above)
	w := cursorWalk{cursor: from, lsn: st.lsn, running: st.snapshot.Running, above: above}
	w.advance(from.Next())
	return w
}

// advance moves the transactions below next from above to below.
func (w *cursorWalk) advance(next uint64) {
	n, _ := slices.BinarySearch(w.above, next)
	w.below = append(w.below, w.above[:n]...)
	w.above = w.above[n:]
}

// deliver returns the cursor after the delivery of xid.
func (w *cursorWalk) deliver(xid uint64) stream.Cursor {
	w.advance(xid + 1)
	w.below = slices.DeleteFunc(w.below, func(x uint64) bool { return x == xid })
	w.cursor = w.cursor.Deliver(xid, append(slices.Clip(w.below), w.running...)).WithLSN(w.lsn)
	return w.cursor
}

// end returns the cursor after the whole read. Its holes are the running transactions.
func (w *cursorWalk) end() stream.Cursor { return w.cursor.CloseHoles(w.running) }

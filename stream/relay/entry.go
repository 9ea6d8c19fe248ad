package relay

import "github.com/pgherald/pgherald/stream"

// Entry is one transaction in the stream, or a part of one, or a change of the cursor alone.
type Entry struct {
	// Cursor is the exact set after the entry or, of a part, after its transaction.
	Cursor stream.Cursor
	XID    uint64 // 0 if the entry changes the cursor alone
	Part   uint64 // of the transaction, from 0
	More   bool   // the next entry is the next part
	LastID int64  // of the last event of the transaction up to here
	Events []stream.Event
	Totals Totals

	size int // as stored
}

// Totals count what the stream has had, up to an entry and with it. Their differences say what is between two entries.
type Totals struct {
	Events  uint64
	Private uint64 // events that are not public
	Bytes   uint64
}

// since returns what came after another entry.
func (t Totals) since(o Totals) Totals {
	return Totals{Events: t.Events - o.Events, Private: t.Private - o.Private, Bytes: t.Bytes - o.Bytes}
}

// with returns the totals with the entry's own events, which have the given size.
func (t Totals) with(events []stream.Event, size int) Totals {
	t.Bytes += uint64(size) + entryOverhead
	t.Events += uint64(len(events))
	for i := range events {
		if events[i].Audience != nil {
			t.Private++
		}
	}
	return t
}

// entryOverhead estimates the bytes of an entry besides its events: its cursor, and what the store needs.
const entryOverhead = 64

// isSame reports whether both are the same entry of the same history: what follows the one follows the other.
func (e *Entry) isSame(o *Entry) bool {
	return e.XID == o.XID && e.Part == o.Part && e.More == o.More && e.LastID == o.LastID && e.Cursor.Equal(o.Cursor)
}

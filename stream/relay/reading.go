package relay

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/pgherald/pgherald/stream"
)

// errRewritten says that a store which had lost its end does not have the rest of a transaction where it was. A reading cannot go on in it.
const errRewritten = passingError("it was cut off within a transaction: read again from the cursor before")

// errCut says that the stream ends before the entry with which it ended a moment ago.
const errCut = passingError("the store has lost its end: the relay has to append it again")

// reading yields what the stream had when it began.
type reading struct {
	log    *Log
	state  State
	from   stream.Cursor // of the reader
	cursor stream.Cursor // after what was yielded
	number uint64        // of the entry that was read last
	entry  Entry
	ready  []stream.Transaction

	page       *Page // the first one, if it came with the state
	isFollowed bool  // the next Read and Wait begin where it ends
	isPlaced   bool  // the entry at its place was compared

	one     uint64 // the only transaction to read; 0 for all
	after   int64  // its last event that is not to be read
	isWhole bool   // its end was read
	isOpen  bool   // the last transaction was yielded in part
}

// Buffered returns the number of transactions, or parts of them, that were fetched and not yet returned.
func (r *reading) Buffered() int { return len(r.ready) }

// Cursor returns the cursor after the reading.
func (r *reading) Cursor() stream.Cursor { return r.cursor }

// Next returns the next transaction or part of one, and io.EOF after the last.
func (r *reading) Next(ctx context.Context, wants stream.Interest) (stream.Transaction, error) {
	for len(r.ready) == 0 {
		if err := r.fetch(ctx, &wants); err != nil {
			return stream.Transaction{}, err
		}
	}
	t := r.ready[0]
	r.ready = r.ready[1:]
	return t, nil
}

// fetch fetches a page. It begins with the entry that was read last: if that is another one now, the reading has to find its place again.
func (r *reading) fetch(ctx context.Context, wants *stream.Interest) error {
	switch {
	case r.isWhole:
		return io.EOF
	case r.isPlaced && r.number >= r.state.Whole:
		return r.end()
	}
	page, err := r.nextPage(ctx)
	if err != nil {
		return fmt.Errorf("read the stream: %w", err)
	}
	if found := page.Entries; page.Fork == r.state.Fork && len(found) > 0 && found[0].Number == r.number {
		before, err := decode(found[0])
		if err != nil {
			return err
		}
		if before.isSame(&r.entry) {
			r.isPlaced = true
			return r.take(found[1:], wants)
		}
	}
	if r.isOpen || r.one != 0 {
		return errRewritten
	}
	r.isPlaced = false
	if r.state, err = r.log.validate(ctx, r.cursor); err != nil {
		return err
	}
	return r.find(ctx)
}

func (r *reading) nextPage(ctx context.Context) (Page, error) {
	if first := r.page; first != nil {
		r.page = nil
		return *first, nil
	}
	return r.log.entries.Range(ctx, r.number, r.log.pageEntries, pageBytes+int64(r.entry.size))
}

// end ends the reading at the end of the stream.
func (r *reading) end() error {
	if r.isFollowed {
		r.log.remember(place{cursor: r.cursor, number: r.number, entry: r.entry}, r.state.Number)
	}
	return io.EOF
}

// take takes the entries of a page, which follow the one that was read last. It returns io.EOF if the reading ends before them.
func (r *reading) take(found []Stored, wants *stream.Interest) error {
	if r.number >= r.state.Whole {
		return r.end()
	}
	if len(found) == 0 {
		return errCut
	}
	for _, s := range found {
		if s.Number > r.state.Whole || r.isWhole {
			return nil
		}
		if s.Number != r.number+1 {
			return fmt.Errorf("read the stream: there is no entry %d", r.number+1)
		}
		if err := r.takeOne(s, wants); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) takeOne(s Stored, wants *stream.Interest) error {
	e, err := decode(s)
	if err != nil {
		return err
	}
	isVoid := r.state.enclosing(s.Number) != nil
	if c := r.state.present(s.Number, e.Cursor); !isVoid && c.Epoch() != r.state.epoch() {
		return fmt.Errorf("%w: it changed to %s during the read", stream.ErrOtherLog, c.Epoch())
	}
	r.number = s.Number
	if !isVoid {
		r.add(&e, wants)
	}
	e.Events = nil
	r.entry = e
	return nil
}

// add yields what the reader needs of an entry.
func (r *reading) add(e *Entry, wants *stream.Interest) {
	after := r.cursorAfter(e)
	if e.XID != 0 && !r.from.Seen(e.XID) {
		t := stream.Transaction{XID: e.XID, More: e.More}
		if r.one == 0 {
			t.Cursor = after
		}
		for i := range e.Events {
			if v := &e.Events[i]; v.ID > r.after && isWanted(v, wants) {
				t.Events = append(t.Events, *v)
			}
		}
		r.ready = append(r.ready, t)
		r.isOpen = e.More
	}
	if e.More {
		return
	}
	if r.isWhole = r.one != 0; !r.isWhole {
		r.cursor = after
	}
}

// cursorAfter returns the reader's cursor after an entry, the one with r.number.
func (r *reading) cursorAfter(e *Entry) stream.Cursor {
	c := r.state.present(r.number, e.Cursor)
	if c.Covers(r.cursor) {
		return c
	}
	return r.cursor.Union(c)
}

// count counts the events of the rest.
func (r *reading) count(ctx context.Context) (n int, err error) {
	for {
		t, err := r.Next(ctx, stream.Interest{Everything: true})
		if stream.IsEnd(err) {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		n += len(t.Events)
	}
}

// isWanted reports whether there is interest in an event.
func isWanted(e *stream.Event, wants *stream.Interest) bool {
	if wants.Everything || e.Type == stream.TypeCollectionReset {
		return true
	}
	isGranted := func(tag string) bool { return slices.Contains(wants.Grants, tag) }
	return (wants.Types == nil || slices.Contains(wants.Types, e.Type)) &&
		(wants.Keys == nil || slices.Contains(wants.Keys, e.Key)) &&
		(e.Audience == nil || slices.ContainsFunc(e.Audience, isGranted) || slices.ContainsFunc(e.AudienceWas, isGranted))
}

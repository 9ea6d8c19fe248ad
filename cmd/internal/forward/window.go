package forward

import (
	"context"
	"sync"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// The bounds of a window. A kill makes its events come again, and those that were acknowledged behind its oldest: windowAhead, or the rest of
// the transaction that reached it.
const (
	windowEvents = 4096
	windowBytes  = 32 << 20
	windowAhead  = 100_000
)

// item is an event on its way.
type item struct {
	stream.Encoded
	span    *span
	lane    string
	isReset bool   // it stands for all events that were lost
	request string // the id of its request; empty if its content gives that
	tries
}

// size estimates the memory of the item.
func (i *item) size() int64 { return int64(len(i.Envelope)) + 300 }

// span is a transaction in the window, with those behind it that are complete.
type span struct {
	cursor   stream.Cursor // after it; once it is closed
	at       time.Time     // of its first event
	left     int           // events that are not acknowledged
	done     int           // events that are
	isClosed bool          // all of its events were added

	previous, next *span
}

// window holds what was read and not acknowledged, in the order of the log. Only its last span may be open.
type window struct {
	mu       sync.Mutex
	first    *span
	last     *span
	position stream.Cursor // after the last span before which everything is acknowledged
	owed     string        // the reason of a reset that is not acknowledged
	events   int
	bytes    int64
	ready    int           // events of all spans that are acknowledged
	changed  chan struct{} // closed at the next change
	held     func(bool)    // is called when the reader begins and ends to wait
}

func newWindow(position stream.Cursor, owed string, held func(bool)) *window {
	return &window{position: position, owed: owed, changed: make(chan struct{}), held: held}
}

// open begins a transaction.
func (w *window) open() *span {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &span{previous: w.last}
	if w.last == nil {
		w.first = s
	} else {
		w.last.next = s
	}
	w.last = s
	return s
}

// close ends a transaction: no event of it follows.
func (w *window) close(s *span, after stream.Cursor) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.cursor, s.isClosed = after, true
	w.settle(s)
}

// add adds an event of a transaction.
func (w *window) add(i *item) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i.span.at.IsZero() {
		i.span.at = i.At
	}
	i.span.left++
	w.events++
	w.bytes += i.size()
}

// done removes an event that was acknowledged or parked.
func (w *window) done(i *item) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i.span.left--
	i.span.done++
	w.ready++
	w.events--
	w.bytes -= i.size()
	if i.isReset {
		w.owed = ""
	}
	w.settle(i.span)
}

// settle removes a span that is complete, so that the window has no more of them than open events: the span before it takes its cursor, or
// else the position moves. It wakes the waiting. The caller must hold mu.
func (w *window) settle(s *span) {
	if s.isClosed && s.left == 0 {
		if s.previous != nil {
			s.previous.cursor, s.previous.next = s.cursor, s.next
			s.previous.done += s.done
		} else {
			w.position, w.first = s.cursor, s.next
			w.ready -= s.done
		}
		if s.next != nil {
			s.next.previous = s.previous
		} else {
			w.last = s.previous
		}
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// ahead returns how many events are acknowledged behind the oldest one that is not. Those of a single open transaction are not: only its
// end can move the position. The caller must hold mu.
func (w *window) ahead() int {
	if w.first == nil || !w.first.isClosed {
		return 0
	}
	return w.ready
}

// state returns the position with the reason of a reset that is owed, and a channel that is closed at the next change.
func (w *window) state() (position stream.Cursor, owed string, changed <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.position, w.owed, w.changed
}

// end returns the cursor after everything that was read.
func (w *window) end() stream.Cursor {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last != nil {
		return w.last.cursor
	}
	return w.position
}

// load returns the number of events, and when the oldest was written; zero if there is none.
func (w *window) load() (events int, oldest time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := w.first; s != nil; s = s.next {
		if s.left > 0 {
			return w.events, s.at
		}
	}
	return w.events, time.Time{}
}

// waitRoom waits until there is room for another event.
func (w *window) waitRoom(ctx context.Context) error {
	return w.wait(ctx, func() bool { return w.events < windowEvents && w.bytes < windowBytes && w.ahead() < windowAhead })
}

// waitEmpty waits until everything is acknowledged.
func (w *window) waitEmpty(ctx context.Context) error {
	return w.wait(ctx, func() bool { return w.events == 0 })
}

// wait waits until a condition holds, which it calls with mu held.
func (w *window) wait(ctx context.Context, holds func() bool) error {
	look := func() (bool, <-chan struct{}) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return holds(), w.changed
	}
	ok, changed := look()
	if ok {
		return nil
	}
	w.held(true)
	defer w.held(false)
	for ; !ok; ok, changed = look() {
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

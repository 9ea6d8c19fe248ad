package stream

import (
	"context"
	"errors"
	"slices"
	"time"
)

// replay is a read of the log that its members share. It holds the part of the log between its slowest and
// its fastest member, encoded, as far as there is memory. The member that needs more fetches the next page
// for all.
type replay struct {
	shared  *replays
	source  source
	known   uint64  // the version of the collections when it began
	reading Reading // nil before the first query; only the member that fetches uses it

	// shared.mu guards the fields below.
	wants    *Interest // of all members together
	members  map[*member]struct{}
	parts    []*replayPart
	first    uint64 // position of parts[0]: the number of parts before it
	floor    Cursor // before parts[0], or after the transaction that it continues
	floorID  int64  // of the last event before parts[0]
	cutFloor bool   // parts[0] continues a transaction
	fetching bool
	fetches  *Interest // what the running query fetches; nil while none runs
	err      error     // io.EOF after the last part, or why the replay cannot go on
	last     Cursor
}

// replayPart is a transaction of a replay, or a part of one.
type replayPart struct {
	entry  *entry
	cursor Cursor // after the transaction; zero if the replay is of a single one
	more   bool   // the next part continues the transaction
	lastID int64  // of the last event up to here
	wants  *Interest

	size      int64 // estimated bytes
	holders   int   // members that use it
	isEvicted bool
}

// errLost says that a member's next part was evicted, or holds too little for the member's interest.
var errLost = errors.New("the replay no longer holds the next part")

// end returns the cursor after what was fetched so far. The caller must hold shared.mu.
func (r *replay) end() Cursor {
	if n := len(r.parts); n > 0 {
		return r.parts[n-1].cursor
	}
	return r.floor
}

// seek returns the position from which a subscription can read the source in this replay, and false if it
// cannot. The caller must hold shared.mu.
func (r *replay) seek(src source) (uint64, bool) {
	if r.known != r.shared.collections.Version() { // events of collections that are new may have been parsed already
		return 0, false
	}
	if r.source.xid != src.xid || r.source.from.epoch != src.from.epoch || r.err != nil && !IsEnd(r.err) {
		return 0, false
	}
	if src.xid != 0 {
		n, _ := slices.BinarySearchFunc(r.parts, src.after+1, func(p *replayPart, id int64) int {
			if p.lastID < id {
				return -1
			}
			return 1
		})
		return r.first + uint64(n), r.floorID <= src.after
	}
	if !src.from.Covers(r.floor) {
		return 0, false
	}
	n, _ := slices.BinarySearchFunc(r.parts, src.from, func(p *replayPart, c Cursor) int {
		if c.Covers(p.cursor) {
			return -1
		}
		return 1
	})
	isBeyond := r.err != nil || r.end().next+farBehind < src.from.next
	return r.first + uint64(n), n < len(r.parts) || !isBeyond
}

// covers reports whether the parts from pos on, and those that are being fetched, have everything in which m
// has an interest. The caller must hold shared.mu.
func (r *replay) covers(m *member, pos uint64) bool {
	if r.fetches != nil && !r.fetches.covers(&m.wants) {
		return false
	}
	var last *Interest
	for _, p := range r.parts[pos-r.first:] {
		if p.wants != last && !p.wants.covers(&m.wants) {
			return false
		}
		last = p.wants
	}
	return true
}

// add makes m a member that continues at pos. The caller must hold shared.mu.
func (r *replay) add(m *member, pos uint64) {
	m.replay, m.pos = r, pos
	m.before, m.isCut = r.floor, r.cutFloor
	if pos > r.first {
		p := r.parts[pos-r.first-1]
		m.before, m.isCut = p.cursor, p.more
	}
	r.members[m] = struct{}{}
	if !r.wants.covers(&m.wants) {
		wants := r.wants.union(&m.wants)
		r.wants = &wants
	}
}

// passed returns the position up to which every member has read or, if fast, the fastest one. The caller
// must hold shared.mu.
func (r *replay) passed(fast bool) uint64 {
	least, most := r.first+uint64(len(r.parts)), r.first
	for m := range r.members {
		least, most = min(least, m.pos), max(most, m.pos)
	}
	if fast {
		return most
	}
	return least
}

// evict removes the first part. Its memory is released once no member uses it. The caller must hold
// shared.mu.
func (r *replay) evict() {
	p := r.parts[0]
	r.parts[0] = nil
	r.parts = r.parts[1:]
	r.first++
	r.floor, r.floorID, r.cutFloor = p.cursor, p.lastID, p.more
	p.isEvicted = true
	if p.holders == 0 {
		r.shared.release(p.size)
	}
}

// next returns the member's next part, and io.EOF after the last. The member holds the part until it
// releases it.
func (m *member) next(ctx context.Context) (*replayPart, error) {
	r, s := m.replay, m.replay.shared
	for {
		s.mu.Lock()
		switch {
		case m.pos < r.first:
			s.mu.Unlock()
			return nil, errLost
		case m.pos < r.first+uint64(len(r.parts)):
			p := r.parts[m.pos-r.first]
			if !p.wants.covers(&m.wants) {
				s.mu.Unlock()
				return nil, errLost
			}
			m.hold(p)
			s.mu.Unlock()
			return p, nil
		case r.err != nil:
			s.mu.Unlock()
			return nil, r.err
		}
		m.busySince = time.Time{}
		isFetching := r.fetching
		r.fetching = true
		s.mu.Unlock()
		var err error
		if isFetching {
			err = m.waitFor(ctx, func() bool { return !r.fetching })
		} else {
			err = r.fetch(ctx, m)
		}
		if err != nil {
			return nil, err
		}
	}
}

// fetch fetches the next page for all members. If m's stream ends meanwhile, another member tries again.
func (r *replay) fetch(ctx context.Context, m *member) error {
	s := r.shared
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		r.fetching, r.fetches = false, nil
		s.signal()
	}()
	if err := m.gather(ctx, r); err != nil {
		return err
	}
	if err := s.reserve(ctx, m, s.page); err != nil {
		return err
	}
	var parts []*replayPart
	err := s.query(ctx, func() (err error) { parts, err = r.read(ctx); return err })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release(s.page)
	r.append(parts)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return err
	case IsEnd(err):
		r.last = r.reading.Cursor()
	}
	r.err = err
	return nil
}

// read reads one page. The caller must have reserved its memory.
func (r *replay) read(ctx context.Context) (parts []*replayPart, err error) {
	if r.reading == nil {
		if src := r.source; src.xid != 0 {
			r.reading, err = r.shared.log.ReadTransaction(ctx, src.from.epoch, src.xid, src.after)
		} else {
			r.reading, err = r.shared.log.Resume(ctx, src.from)
		}
		if err != nil {
			r.reading = nil
			return nil, err
		}
	}
	r.shared.mu.Lock()
	r.fetches = r.wants
	wants := r.fetches
	r.shared.mu.Unlock()
	for {
		t, err := r.reading.Next(ctx, *wants)
		if err != nil {
			return parts, err
		}
		parts = append(parts, newReplayPart(&t, wants))
		if r.reading.Buffered() == 0 {
			return parts, nil
		}
	}
}

func newReplayPart(t *Transaction, wants *Interest) *replayPart {
	p := &replayPart{entry: &entry{xid: t.XID}, cursor: t.Cursor, more: t.More, wants: wants}
	p.entry.add(t)
	if !t.More && !t.Cursor.IsZero() {
		p.entry.complete(t.Cursor)
	}
	if n := len(t.Events); n > 0 {
		p.lastID = t.Events[n-1].ID
	}
	p.size = p.entry.size() + replayPartOverhead
	return p
}

// replayPartOverhead counts the allocations of a replayPart without its entry, in bytes.
const replayPartOverhead = 160

// append adds parts that were fetched. The caller must hold shared.mu.
func (r *replay) append(parts []*replayPart) {
	last := r.floorID
	if n := len(r.parts); n > 0 {
		last = r.parts[n-1].lastID
	}
	for _, p := range parts {
		if p.lastID == 0 {
			p.lastID = last
		}
		last = p.lastID
		r.shared.bytes, r.shared.pages = r.shared.bytes+p.size, r.shared.pages+p.size
	}
	r.parts = append(r.parts, parts...)
}

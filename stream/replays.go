package stream

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/pgherald/pgherald/stream/collection"
)

// replays are the reads of the log by subscriptions that catch up. Subscriptions that need the same part
// of the log share a replay, so that it is fetched, encoded and held once. All replays together hold a
// bounded number of bytes. A subscription that needs more has to wait; its stream stays open meanwhile.
//
// That wait ends: what the replays hold was either read already, and is evicted, or it is being
// written to a client, and a client that takes too long is interrupted.
type replays struct {
	log         Log
	collections *collection.Set
	limit       int64         // of bytes
	page        int64         // bytes to reserve for a page
	pins        *pins         // which take a part of the limit
	queries     chan struct{} // a semaphore: one element for each running query

	mu          sync.Mutex // guards the fields below, and those of all replays and members
	open        []*replay
	line        []*member // that wait to open a replay, the longest first
	members     map[*member]struct{}
	bytes       int64         // held or reserved
	pages       int64         // of these, for pages; the rest is for the replays themselves
	changed     chan struct{} // closed when bytes were released or a replay has changed
	waiting     int           // members that wait for bytes
	interrupted uint64        // clients that took too long
}

const (
	// replayBytes estimates what a replay holds besides its pages: the plan of its reading.
	replayBytes = 1 << 20
	// gatherTime is how long a new replay waits before its first query while others catch up too, so that
	// its members are known: it fetches the events in which they have an interest.
	gatherTime = 20 * time.Millisecond
	// waitTick is how often a waiting member sends a heartbeat if one is due, and looks for slow clients.
	waitTick = 250 * time.Millisecond
	// slowAfter is how long a client may take for slowBytes while another one waits for the memory.
	slowAfter = 3 * time.Second
	slowBytes = 256 << 10
	// stuckAfter is how long it may take for the bytes of one Emit.
	stuckAfter = time.Second
	// farBehind is the number of transactions for which a subscription does not wait until an older
	// replay has passed them.
	farBehind = 50_000
)

func newReplays(log Log, opts FeedOptions) *replays {
	return &replays{
		log: log, collections: opts.Collections, limit: opts.CatchUpBytes, page: opts.PageBytes, queries: make(chan struct{}, opts.CatchUpQueries),
		pins: newPins(opts.CatchUpBytes / 2), members: make(map[*member]struct{}), changed: make(chan struct{}),
	}
}

// used returns the bytes that count towards the limit. The caller must hold mu.
func (s *replays) used() int64 { return s.bytes + s.pins.bytes.Load() }

// addTo adds the figures of the replays.
func (s *replays) addTo(stats *FeedStats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats.CatchUpBytes, stats.CatchUpLimit = s.used(), s.limit
	stats.CatchUpsWaiting, stats.CatchUpsInterrupted = s.waiting, s.interrupted+s.pins.interruptions()
}

// query calls do when fewer than FeedOptions.CatchUpQueries queries run.
func (s *replays) query(ctx context.Context, do func() error) error {
	select {
	case s.queries <- struct{}{}:
		defer func() { <-s.queries }()
		return do()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// signal wakes all members that wait. The caller must hold mu.
func (s *replays) signal() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// reserve adds n bytes for a page, once there is room for them.
func (s *replays) reserve(ctx context.Context, m *member, n int64) error {
	return m.waitFor(ctx, func() bool {
		// A page larger than the limit is possible if it is the only one.
		if s.used()+n > s.limit && s.pages > 0 && !s.evict(n) {
			return false
		}
		s.bytes, s.pages = s.bytes+n, s.pages+n
		return true
	})
}

// release subtracts n bytes of pages. The caller must hold mu.
func (s *replays) release(n int64) {
	s.bytes, s.pages = s.bytes-n, s.pages-n
	s.signal()
}

// evict evicts parts until n more bytes fit: first those that no member needs, then those that only slow
// members need, which then read them again. It keeps what no member has read. The caller must hold mu.
func (s *replays) evict(n int64) bool {
	for _, slow := range []bool{false, true} {
		for _, r := range s.open {
			for passed := r.passed(slow); s.used()+n > s.limit && r.first < passed; {
				r.evict()
			}
		}
	}
	return s.used()+n <= s.limit || s.pages == 0
}

// interruptSlow interrupts the clients that take too long. The caller must hold mu.
func (s *replays) interruptSlow() {
	now := time.Now()
	for m := range s.members {
		if m.client.Interrupt != nil && m.isSlow(now) {
			m.busySince, m.emittingSince = now, now
			s.interrupted++
			m.client.Interrupt()
		}
	}
}

// source says what a replay reads: everything that the cursor has not seen or, if xid is not 0, the events
// of one transaction of the cursor's log whose ids are above after.
type source struct {
	from  Cursor
	xid   uint64
	after int64
}

// join makes m a member of a replay of the source: of an open one if possible.
func (s *replays) join(ctx context.Context, m *member, src source) error {
	return m.waitFor(ctx, func() bool { return s.joinOpen(m, src) || s.openReplay(m, src) })
}

// joinOpen makes m a member of the open replay that has advanced furthest towards the source, if there is
// one. The caller must hold mu.
func (s *replays) joinOpen(m *member, src source) bool {
	var best *replay
	var bestPos uint64
	for _, r := range s.open {
		pos, ok := r.seek(src)
		if ok && r.covers(m, pos) && (best == nil || r.end().next > best.end().next) {
			best, bestPos = r, pos
		}
	}
	if best == nil {
		return false
	}
	s.leaveLine(m)
	best.add(m, bestPos)
	return true
}

// openReplay opens a replay with m as its first member. It returns false if there is no room, or if others
// wait for it for longer. The caller must hold mu.
func (s *replays) openReplay(m *member, src source) bool {
	if !slices.Contains(s.line, m) {
		s.line = append(s.line, m)
	}
	if s.line[0] != m {
		return false
	}
	// A page, and half of the rest, remain for pages, so that the replays cannot wait for each other.
	most := (s.limit - s.page) / 2
	s.evict(s.limit - most + replayBytes)
	if len(s.open) > 0 && s.used()+replayBytes > most {
		return false
	}
	s.leaveLine(m)
	s.bytes += replayBytes
	r := &replay{shared: s, known: s.collections.Version(), source: src, floor: src.from, floorID: src.after, wants: &m.wants, members: make(map[*member]struct{})}
	s.open = append(s.open, r)
	r.add(m, 0)
	return true
}

// leaveLine removes m from those who wait to open a replay. The caller must hold mu.
func (s *replays) leaveLine(m *member) {
	if i := slices.Index(s.line, m); i >= 0 {
		s.line = slices.Delete(s.line, i, i+1)
		s.signal()
	}
}

// close closes a replay without members. The caller must hold mu.
func (s *replays) close(r *replay) {
	s.open = slices.DeleteFunc(s.open, func(o *replay) bool { return o == r })
	for len(r.parts) > 0 {
		r.evict()
	}
	s.bytes -= replayBytes
	s.signal()
}

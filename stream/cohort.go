package stream

import "slices"

// Bounds of the results that a fan-out pass keeps in memory. Only subscriptions at many different
// positions exceed them, such as after an outage; those share few results anyway.
const (
	maxResults     = 4096
	maxResultBytes = 16 << 20
)

// FanOutPass serves many subscriptions one after the other. It computes the pending bytes once for
// each cohort: the subscriptions at the same position with the same filter and the same effective
// grants. Usually nearly all subscriptions form one cohort, so serving one costs a comparison and
// allocates nothing. Use a pass for one round over the subscriptions, and from one goroutine.
type FanOutPass struct {
	feed        *Feed
	limit       int
	groups      map[groupKey]*cohortGroup
	lastKey     groupKey
	last        *cohortGroup // of the previous subscription, and usually of the next
	lastResult  *result      // that Pending returned
	results     int          // kept in memory
	resultBytes int          // of those
	sent        uint64       // events, to all subscriptions
}

// groupKey identifies a position and a filter.
type groupKey struct {
	generation uint64
	pos        uint64
	frame      int
	filter     string // canonical
}

// cohortGroup holds the cohorts of one position and filter. They differ in their effective grants
// only.
type cohortGroup struct {
	end     uint64            // the position up to which tags is complete: the results end there
	hasMore bool              // whether the feed has entries after end
	tags    map[string]uint16 // a number above 0 for each tag in the audiences before end; nil if none
	public  *result           // of the only cohort, if tags is nil
	results map[effectiveGrants]*result
}

// effectiveGrants holds the grants of a client that occur in the audiences before the group's end. It
// holds the tags' numbers, in the order of the grants, then zeros.
type effectiveGrants [6]uint16

// maxTags bounds the tags of a group. If there are more, each subscription is served alone.
const maxTags = 1 << 15

// result holds what Pending returns to a cohort, and how it moves the cohort's subscriptions.
type result struct {
	bytes []byte
	large [][]byte // the same bytes, where the feed has them, if a client that merges may have to keep large ones
	after Subscription
	sent  uint64 // events in bytes
	more  bool
	err   error
}

// NewFanOutPass returns a pass that returns about limit bytes at a time for each subscription.
func (f *Feed) NewFanOutPass(limit int) *FanOutPass {
	return &FanOutPass{feed: f, limit: limit, groups: make(map[groupKey]*cohortGroup)}
}

// SentEvents returns the number of events that Pending returned in this pass, to all subscriptions
// together.
func (p *FanOutPass) SentEvents() uint64 { return p.sent }

// Pending returns the pending bytes of s in one piece, as Subscription.Pending does, and moves s on.
// more reports whether further events may be pending. The caller must not change the bytes, which the
// cohort shares. Keeping a part of them keeps all of them in memory: up to limit bytes and a frame.
func (p *FanOutPass) Pending(s *Subscription) (data []byte, more bool, err error) {
	if s.replay != nil && (!s.replay.base.IsZero() || s.replay.inLog) {
		// Its id lines differ from those of every cohort, or it has to catch up.
		return p.apply(s, p.compute(s, &cohortGroup{end: p.feed.end()}))
	}
	key := groupKey{generation: s.generation, pos: s.pos, frame: s.frame, filter: s.filter.canonical()}
	if p.last == nil || key != p.lastKey {
		p.lastKey, p.last = key, p.group(key, s.filter.scanLimit(p.limit))
	}
	return p.apply(s, p.resultFor(s))
}

func (p *FanOutPass) group(key groupKey, limit int) *cohortGroup {
	if known, ok := p.groups[key]; ok {
		return known
	}
	g := p.feed.newCohortGroup(key, limit)
	p.groups[key] = g
	return g
}

// end returns the position behind the newest entry.
func (f *Feed) end() uint64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.buffer.end()
}

// newCohortGroup returns the group of the key. It ends at the entry that reaches limit bytes. If the
// feed no longer holds the position, the group has no tags: its only result is an error.
func (f *Feed) newCohortGroup(key groupKey, limit int) *cohortGroup {
	f.mu.RLock()
	defer f.mu.RUnlock()
	r := f.buffer
	g := &cohortGroup{end: r.end()}
	if key.generation != f.generation || key.pos < r.first {
		return g
	}
	g.end = key.pos
	for n := 0; g.end < r.end() && n < limit; g.end++ {
		e := r.at(g.end)
		n += e.length
		if !e.isPublic() {
			g.addTags(e)
		}
	}
	g.hasMore = g.end < r.end()
	return g
}

// addTags numbers the tags in the audiences of an entry.
func (g *cohortGroup) addTags(e *entry) {
	if g.tags == nil {
		g.tags = make(map[string]uint16)
		g.results = make(map[effectiveGrants]*result)
	}
	for i := range e.frames {
		for _, tag := range e.frames[i].audience {
			if _, known := g.tags[tag]; !known && len(g.tags) <= maxTags {
				g.tags[tag] = uint16(len(g.tags) + 1)
			}
		}
	}
}

// effectiveGrants returns the effective grants of a client. It returns false if the group has too many
// tags or the client too many effective grants: the subscription is then served alone.
func (g *cohortGroup) effectiveGrants(grants []string) (effectiveGrants, bool) {
	var effective effectiveGrants
	if len(g.tags) > maxTags {
		return effective, false
	}
	n := 0
	for _, grant := range grants {
		tag, occurs := g.tags[grant]
		if !occurs {
			continue
		}
		if n == len(effective) {
			return effective, false
		}
		effective[n] = tag
		n++
	}
	return effective, true
}

// resultFor returns the result for the cohort of s, which belongs to the group p.last.
func (p *FanOutPass) resultFor(s *Subscription) *result {
	g := p.last
	if g.tags == nil {
		if g.public == nil {
			g.public = p.remember(p.compute(s, g))
		}
		return g.public
	}
	effective, ok := g.effectiveGrants(s.filter.grants())
	if !ok {
		return p.compute(s, g)
	}
	if known, ok := g.results[effective]; ok {
		return known
	}
	fresh := p.compute(s, g)
	g.results[effective] = fresh
	return p.remember(fresh)
}

// remember counts a result that is kept in memory for the rest of its cohort, and returns it. Beyond
// the bounds it discards all results; Pending computes them again when it needs them.
func (p *FanOutPass) remember(fresh *result) *result {
	p.results++
	p.resultBytes += len(fresh.bytes)
	if p.results > maxResults || p.resultBytes > maxResultBytes {
		clear(p.groups)
		p.last, p.results, p.resultBytes = nil, 0, 0
	}
	return fresh
}

// compute returns the result for s, up to the end of its group. It leaves s unchanged.
func (p *FanOutPass) compute(s *Subscription, g *cohortGroup) *result {
	trial := *s
	bufs, err := trial.pendingBefore(nil, p.limit, g.end)
	data := slices.Concat(bufs...)
	// More may follow if the limit ended the result, or if it ends before an entry that is in the log.
	more := err == nil && (g.hasMore || trial.pos < g.end)
	r := &result{bytes: data, after: trial, sent: trial.sent - s.sent, more: more, err: err}
	if s.filter.merges() && slices.ContainsFunc(bufs, isLarge) {
		r.large = bufs
	}
	return r
}

// apply moves s as the result says. s keeps its own filter: the grants within a cohort may differ, if
// their effect on these events is the same.
func (p *FanOutPass) apply(s *Subscription, r *result) ([]byte, bool, error) {
	sent, filter := s.sent+r.sent, s.filter
	*s = r.after
	s.sent, s.filter = sent, filter
	p.sent += r.sent
	p.lastResult = r
	return r.bytes, r.more, r.err
}

// Rewind corrects s after a write that took only the first n bytes of data, the result of the last
// Pending, which must have been for s. before is a copy of s from before that call. Rewind returns the rest of the
// frame that was cut in two, which the caller must send before anything else, and moves s behind that
// frame. The events behind it are pending again and do not count as sent. So a client that does not
// read keeps one frame in memory, not all of data.
//
// If the filter merges, Rewind returns the rest of data: merged again, it would differ.
func (p *FanOutPass) Rewind(s, before *Subscription, data []byte, n int) (rest [][]byte) {
	if s.filter.merges() {
		if large := p.lastResult.large; large != nil {
			return restOf(large, n)
		}
		return [][]byte{slices.Clip(data[n:])}
	}
	sent := s.sent
	if b := s.rewind(before, data, n); len(b) > 0 {
		rest = [][]byte{b}
	}
	p.sent -= sent - s.sent
	return rest
}

func (s *Subscription) rewind(before *Subscription, data []byte, n int) (rest []byte) {
	trial := *before
	bufs, err := trial.Pending(nil, n) // ends with the frame that byte n-1 belongs to
	m := 0
	for _, b := range bufs {
		m += len(b)
	}
	if err != nil || m < n { // the feed has evicted the frame
		return shareOrCopy(data[n:], data)
	}
	*s = trial
	if m == n { // also if the socket took nothing: then there is no frame to complete
		return nil
	}
	if last := bufs[len(bufs)-1]; m-n > smallRest && m-n <= len(last) {
		return slices.Clip(last[len(last)-(m-n):])
	}
	return shareOrCopy(data[n:m], data)
}

// smallRest is the size up to which each client may have a copy of the rest of a frame, or of an envelope in a batch. A
// larger one is in the memory of the feed: clients that are stuck in large frames, each at another byte, would need as
// much again each.
const smallRest = 16 << 10

func isLarge(b []byte) bool { return len(b) > smallRest }

// restOf returns bufs without the first n bytes. It shares the large buffers, and copies the others, so that they do not
// keep their blocks in memory.
func restOf(bufs [][]byte, n int) (rest [][]byte) {
	var small []byte
	for _, b := range bufs {
		cut := min(n, len(b))
		n -= cut
		switch b := b[cut:]; {
		case !isLarge(b):
			small = append(small, b...)
		case len(small) > 0:
			rest, small = append(rest, small, slices.Clip(b)), nil
		default:
			rest = append(rest, slices.Clip(b))
		}
	}
	if len(small) > 0 {
		rest = append(rest, small)
	}
	return rest
}

// shareOrCopy returns rest, a part of data, in a form that does not keep all of data in memory. It copies
// rest if that is less than half of data. Otherwise it returns the shared bytes, so that all clients
// that are stuck in one large frame keep one copy.
func shareOrCopy(rest, data []byte) []byte {
	if len(rest) >= len(data)/2 {
		return slices.Clip(rest)
	}
	return slices.Clone(rest)
}

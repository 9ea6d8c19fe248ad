package stream

import (
	"errors"
	"slices"
)

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
	skip        skipper
	results     int    // kept in memory
	resultBytes int    // of those
	sent        uint64 // events, to all subscriptions
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
	tags    map[string]uint16 // a number above 0 for each tag in the audiences of events before end; nil if none
	fewTags []string          // the tags by their numbers, up to maxFewTags
	public  *result           // of the only cohort, if tags is nil
	results map[effectiveGrants]*result
}

// maxFewTags is the number of tags up to which it is faster to compare a grant with each than to look it up.
const maxFewTags = 4

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

	isPublic bool // every client may see the bytes
	attached any  // see Attach
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
	data, more, err = p.pending(s)
	for errors.Is(err, errMoved) {
		if err = s.carryOver(); err == nil {
			data, more, err = p.alone(s)
		}
	}
	return data, more, err
}

// alone returns the pending bytes of a subscription without a cohort.
func (p *FanOutPass) alone(s *Subscription) (data []byte, more bool, err error) {
	return p.apply(s, p.compute(s, &cohortGroup{end: p.feed.end()}))
}

// pending is Pending. It returns errMoved instead of a *ResetError.
func (p *FanOutPass) pending(s *Subscription) (data []byte, more bool, err error) {
	if s.replay != nil && (!s.replay.base.IsZero() || s.replay.inLog) {
		return p.alone(s) // its id lines differ from those of every cohort, or it has to catch up
	}
	skips := s.canSkip() && p.getsNothing(s)
	if skips && p.skip.result != nil {
		return p.apply(s, p.skip.result)
	}
	key := groupKey{generation: s.generation, pos: s.pos, frame: s.frame, filter: s.filter.canonical()}
	if p.last == nil || key != p.lastKey {
		p.lastKey, p.last = key, p.group(key, &s.filter)
	}
	r := p.resultFor(s)
	if skips && r.err == nil && r.after.pos == p.skip.end { // the feed has not grown since
		p.skip.result = r
	}
	return p.apply(s, r)
}

func (p *FanOutPass) group(key groupKey, filter *Filter) *cohortGroup {
	if known, ok := p.groups[key]; ok {
		return known
	}
	g := p.feed.newCohortGroup(key, filter, p.limit)
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
func (f *Feed) newCohortGroup(key groupKey, filter *Filter, limit int) *cohortGroup {
	f.mu.RLock()
	defer f.mu.RUnlock()
	r := f.buffer
	g := &cohortGroup{end: r.end()}
	if key.generation != f.generation || key.pos < r.first {
		return g
	}
	g.end = key.pos
	limit, former := filter.scanLimit(limit), filter.hasRows()
	for n := 0; g.end < r.end() && n < limit; g.end++ {
		e := r.at(g.end)
		n += e.length
		if !e.isPublic(former) {
			g.addTags(e, former)
		}
	}
	g.hasMore = g.end < r.end()
	return g
}

// addTags numbers the tags in the audiences of an entry, and in the former ones if they count.
func (g *cohortGroup) addTags(e *entry, former bool) {
	if g.tags == nil {
		g.tags = make(map[string]uint16)
		g.results = make(map[effectiveGrants]*result)
	}
	for i := range e.frames {
		fr := &e.frames[i]
		g.numberTags(fr.audience)
		if former && fr.former != nil {
			g.numberTags(fr.former.audience)
		}
	}
}

func (g *cohortGroup) numberTags(tags []string) {
	for _, tag := range tags {
		if _, known := g.tags[tag]; !known && len(g.tags) <= maxTags {
			g.tags[tag] = uint16(len(g.tags) + 1)
			if len(g.tags) <= maxFewTags {
				g.fewTags = append(g.fewTags, tag)
			}
		}
	}
}

// number returns the number of the tag that the grant is, 0 if it is none.
func (g *cohortGroup) number(grant string) uint16 {
	if len(g.tags) > maxFewTags {
		return g.tags[grant]
	}
	for i, tag := range g.fewTags {
		if tag == grant {
			return uint16(i + 1)
		}
	}
	return 0
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
		tag := g.number(grant)
		if tag == 0 {
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
			g.public.isPublic = true
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
	fresh.isPublic = effective == effectiveGrants{} // no audience has one of the client's grants
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
	r := &result{bytes: data, after: trial, sent: trial.sent - s.sent, more: more, err: err, isPublic: s.IsPublic()}
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

package stream

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/pgherald/pgherald/stream/backoff"
)

// member is a subscription that catches up. Its fields are guarded by shared.mu.
type member struct {
	shared *replays
	client CatchUpClient
	wants  Interest
	flush  func() error // emits what the member gathers to merge; nil while it gathers nothing

	replay *replay // nil if it has none
	pos    uint64  // of its next part
	before Cursor  // before its first part, or after the transaction that this part continues,
	isCut  bool    // if isCut is set
	held   []*replayPart

	busySince time.Time // since when the client receives what was fetched; zero while it waits for more
	busyBytes int64     // that it has received since then

	emittingSince time.Time // since when Emit runs; zero while it does not
}

// CatchUpClient is the client of a subscription that catches up.
type CatchUpClient struct {
	// Emit writes bytes, which are valid until it returns. No bytes mean that the cursor has moved on, or
	// that the subscription waits: Emit may send a heartbeat.
	Emit func([][]byte) error
	// Interrupt makes a running Emit return an error soon, because the client takes too long while others
	// wait for memory. It must not block. It may be nil.
	Interrupt func()
}

func (s *replays) enter(filter *Filter, client CatchUpClient) *member {
	m := &member{shared: s, client: client, wants: filter.interest()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members[m] = struct{}{}
	return m
}

// leave ends the membership, and releases everything.
func (m *member) leave() {
	m.detach()
	m.shared.mu.Lock()
	defer m.shared.mu.Unlock()
	m.shared.leaveLine(m)
	delete(m.shared.members, m)
}

// detach leaves the replay. The last member closes it.
func (m *member) detach() {
	m.releaseAll()
	m.shared.mu.Lock()
	defer m.shared.mu.Unlock()
	r := m.replay
	if r == nil {
		return
	}
	m.replay = nil
	m.busySince = time.Time{}
	delete(r.members, m)
	if len(r.members) == 0 {
		m.shared.close(r)
	}
}

// hold takes the part at pos. The caller must hold shared.mu.
func (m *member) hold(p *replayPart) {
	p.holders++
	m.held = append(m.held, p)
	m.pos++
	if m.busyBytes += p.size; m.busySince.IsZero() || m.busyBytes > slowBytes {
		m.busySince, m.busyBytes = time.Now(), 0
	}
}

// releaseAll releases the parts that the member holds.
func (m *member) releaseAll() {
	if m.held == nil {
		return
	}
	m.shared.mu.Lock()
	defer m.shared.mu.Unlock()
	for _, p := range m.held {
		if p.holders--; p.holders == 0 && p.isEvicted {
			m.shared.release(p.size)
		}
	}
	m.held = m.held[:0]
}

// waitFor waits until ready, which it calls with shared.mu held, returns true. Meanwhile it sends heartbeats,
// and interrupts slow clients.
func (m *member) waitFor(ctx context.Context, ready func() bool) error {
	s := m.shared
	var tick *time.Ticker
	for {
		s.mu.Lock()
		ok, changed := ready(), s.changed
		if !ok && tick == nil {
			s.waiting++
			defer m.endWait()
		}
		s.mu.Unlock()
		if ok {
			return nil
		}
		if tick == nil {
			tick = time.NewTicker(waitTick)
			defer tick.Stop()
			if err := m.flushMerged(); err != nil {
				return err
			}
			continue // the parts that were merged may have made room
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			s.mu.Lock()
			s.interruptSlow()
			s.mu.Unlock()
			if err := m.emit(nil); err != nil {
				return err
			}
		}
	}
}

func (m *member) endWait() {
	m.shared.mu.Lock()
	defer m.shared.mu.Unlock()
	m.shared.waiting--
}

func (m *member) flushMerged() error {
	if m.flush == nil {
		return nil
	}
	return m.flush()
}

// gather waits before the first query of a replay, unless m is alone.
func (m *member) gather(ctx context.Context, r *replay) error {
	m.shared.mu.Lock()
	isAlone := len(m.shared.members) == 1
	m.shared.mu.Unlock()
	if r.reading != nil || isAlone {
		return nil
	}
	return backoff.Sleep(ctx, gatherTime)
}

func (m *member) emit(bufs [][]byte) error {
	if m.client.Emit == nil {
		return nil
	}
	m.setEmitting(time.Now())
	defer m.setEmitting(time.Time{})
	return m.client.Emit(bufs)
}

func (m *member) setEmitting(since time.Time) {
	m.shared.mu.Lock()
	defer m.shared.mu.Unlock()
	m.emittingSince = since
}

// isSlow reports whether the client takes too long. The caller must hold shared.mu.
func (m *member) isSlow(now time.Time) bool {
	return !m.busySince.IsZero() && now.Sub(m.busySince) > slowAfter ||
		!m.emittingSince.IsZero() && now.Sub(m.emittingSince) > stuckAfter && len(m.held) > 0
}

// interest returns what the filter can match, without its conditions on fields.
func (f *Filter) interest() Interest {
	i := Interest{Grants: unionOf(f.grants(), []string{Everyone})}
	if f.criteria != nil {
		i.Types, i.Keys = f.criteria.types, f.criteria.keys
	}
	if f.hasSelections() {
		i.Types, i.Keys = f.criteria.interest()
	}
	return i
}

// interest returns the types and keys in which one of the selections has an interest.
func (c *criteria) interest() (types, keys []string) {
	hasAllTypes, hasAllKeys := false, false
	for n := range c.selections {
		s := &c.selections[n]
		hasAllTypes = hasAllTypes || s.collection == nil && s.events.types == nil
		hasAllKeys = hasAllKeys || s.events.keys == nil
		types, keys = append(types, s.events.types...), append(keys, s.events.keys...)
		if s.collection == nil {
			continue
		}
		types = slices.AppendSeq(types, maps.Keys(s.collection.Types))
		if s.collection.Truncated != "" {
			types = append(types, s.collection.Truncated)
		}
	}
	if types = unionOf(types, nil); hasAllTypes {
		types = nil
	}
	switch {
	case c.keys == nil && hasAllKeys:
		return types, nil
	case c.keys != nil:
		keys = c.keys
	}
	return types, unionOf(keys, []string{""}) // of an event after which all rows must be loaded again
}

// maxInterest bounds the texts of an interest: beyond that, everything is of interest.
const maxInterest = 1000

// covers reports whether everything in which o has an interest is of interest to i. All lists are sorted.
func (i *Interest) covers(o *Interest) bool {
	return i == o || i.Everything || !o.Everything &&
		(i.Types == nil || o.Types != nil && isSubset(o.Types, i.Types)) &&
		(i.Keys == nil || o.Keys != nil && isSubset(o.Keys, i.Keys)) &&
		isSubset(o.Grants, i.Grants)
}

func isSubset(a, b []string) bool {
	return !slices.ContainsFunc(a, func(s string) bool { return !contains(b, s) })
}

// union returns an interest that covers both.
func (i *Interest) union(o *Interest) Interest {
	u := Interest{Everything: i.Everything || o.Everything, Grants: unionOf(i.Grants, o.Grants)}
	if i.Types != nil && o.Types != nil {
		u.Types = unionOf(i.Types, o.Types)
	}
	if i.Keys != nil && o.Keys != nil {
		u.Keys = unionOf(i.Keys, o.Keys)
	}
	if u.Everything || len(u.Types)+len(u.Keys)+len(u.Grants) > maxInterest {
		return Interest{Everything: true}
	}
	return u
}

func unionOf(a, b []string) []string {
	u := slices.Concat(a, b)
	slices.Sort(u)
	return slices.Compact(u)
}

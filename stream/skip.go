package stream

import (
	"slices"

	"github.com/pgherald/pgherald/stream/collection"
)

// skipper finds the subscriptions of collections that get nothing of the entries at a position, without a look at each
// event for each filter: of a thousand filters, most match none of the few events of a fan-out pass.
type skipper struct {
	key    groupKey                    // the position; its filter is empty
	end    uint64                      // the position up to which it has looked
	rows   map[string]*collection.Rows // by collection
	types  map[string]struct{}         // of all events
	known  uint64                      // the version of the collections
	isBlur bool                        // whether it cannot tell: a reset, or an entry that only the log has
	result *result                     // of those that get nothing; nil before the first of them was computed
}

// canSkip reports whether s may be one that gets nothing and can share the result of others.
func (s *Subscription) canSkip() bool {
	return s.filter.hasRows() && !s.filter.conflates() && s.frame == 0 && s.replay == nil
}

// getsNothing reports whether s, for which canSkip holds, gets nothing of the next entries; true is certain.
func (p *FanOutPass) getsNothing(s *Subscription) bool {
	key := groupKey{generation: s.generation, pos: s.pos}
	if k := &p.skip; k.rows == nil || k.key != key || k.known != p.feed.opts.Collections.Version() {
		*k = p.feed.newSkipper(key, &s.filter, p.limit)
	}
	return p.skip.rejects(s.filter.criteria.selections)
}

// rejects reports whether no event concerns one of the selections; true is certain.
func (k *skipper) rejects(selections []selection) bool {
	if k.isBlur {
		return false
	}
	for i := range selections {
		if k.mayMatch(&selections[i]) {
			return false
		}
	}
	return true
}

func (k *skipper) mayMatch(s *selection) bool {
	if s.collection == nil {
		return s.events.types == nil || slices.ContainsFunc(s.events.types, func(t string) bool { _, found := k.types[t]; return found })
	}
	rows := k.rows[s.collection.Name]
	return rows != nil && rows.MayMatch(s.where)
}

// newSkipper returns the skipper of a position. It looks at the entries of a cohort group there.
func (f *Feed) newSkipper(key groupKey, filter *Filter, limit int) skipper {
	f.mu.RLock()
	defer f.mu.RUnlock()
	k := skipper{key: key, rows: make(map[string]*collection.Rows), types: make(map[string]struct{}), known: f.opts.Collections.Version()}
	r := f.buffer
	if k.isBlur = key.generation != f.generation || key.pos < r.first; k.isBlur {
		return k
	}
	k.end = key.pos
	for n := 0; k.end < r.end() && n < limit && !k.isBlur; k.end++ {
		e := r.at(k.end)
		n += e.length
		f.parse(e, filter)
		k.add(e)
	}
	return k
}

// add adds the rows of an entry, before and after.
func (k *skipper) add(e *entry) {
	k.isBlur = k.isBlur || e.inLog
	for i := range e.changes {
		c, eventType := &e.changes[i], e.frames[i].eventType
		k.types[eventType] = struct{}{}
		switch {
		case c.op == reset, eventType == TypeCollectionReset:
			k.isBlur = true
		case c.op != noOp:
			rows := k.rows[c.collection.Name]
			if rows == nil {
				rows = new(collection.Rows)
				k.rows[c.collection.Name] = rows
			}
			rows.Add(c.after)
			if c.hasBefore {
				rows.Add(c.before)
			}
		}
	}
}

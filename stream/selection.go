package stream

import "github.com/pgherald/pgherald/stream/collection"

// selection is a client's choice of rows of a collection. Of an event, the client gets what it means for these rows: the
// event itself if the row is among them before and after, a delete if it leaves, and so on.
type selection struct {
	id         string // in the envelope; empty if the client named none
	collection *collection.Collection
	where      *collection.Where // nil selects every row

	quotedID, quotedName string // as JSON
}

func newSelection(id string, c *collection.Collection, where *collection.Where) selection {
	return selection{
		id: id, collection: c, where: where,
		quotedID: string(appendJSONString(nil, id)), quotedName: string(appendJSONString(nil, c.Name)),
	}
}

// hasSelections reports whether the filter selects rows of collections. If not, its stream is a plain one.
func (f *Filter) hasSelections() bool { return f.criteria != nil && f.criteria.selections != nil }

// judgeRow returns the verdict about frame i, whose change must have been parsed:
//
//	selected and audible     before  after   the client gets
//	                         no      yes     the event, as an insert
//	                         yes     yes     the event
//	                         yes     no      a delete without data, which the client may no longer see
//	                         no      no      nothing
func (f *Filter) judgeRow(e *entry, i int) (v verdict) {
	fr, c, change := &e.frames[i], f.criteria, &e.changes[i]
	switch {
	case change.op == noOp:
		return 0
	case change.op == reset:
		return f.judgeReset(fr, change)
	case c.keys != nil && !contains(c.keys, fr.key):
		return 0
	}
	wasAudible, isAudible := f.hears(fr)
	if !wasAudible && !isAudible {
		return 0
	}
	for n := range c.selections {
		s := &c.selections[n]
		if !s.collection.Is(change.collection) {
			continue
		}
		after := s.where.Match(change.after)
		before := after
		if change.hasBefore {
			before = s.where.Match(change.before)
		}
		if o := change.op.outcome(before && wasAudible, after && isAudible); o != nothing {
			if !fr.isOfRow() {
				o = reloaded
			}
			v |= o.at(n)
		}
	}
	return v
}

// hears reports whether the audience of the row, before and after, has one of the grants.
func (f *Filter) hears(fr *frame) (was, is bool) {
	is = fr.audience == nil || f.hasGrantIn(fr.audience)
	if fr.former == nil || !fr.former.hasAudience {
		return is, is
	}
	return fr.former.audience == nil || f.hasGrantIn(fr.former.audience), is
}

// outcome returns what a selection gets, given whether the row was and is one that the client selected and may see.
func (o op) outcome(before, after bool) outcome {
	switch {
	case o == insert && after, o == remove && before, o == update && before && after:
		return whole
	case o == update && after:
		return entered
	case o == update && before:
		return left
	}
	return nothing
}

// judgeReset returns the verdict about an event after which rows must be loaded again. It matches whatever the
// client selected of them.
func (f *Filter) judgeReset(fr *frame, change *change) (v verdict) {
	if fr.eventType != TypeCollectionReset && fr.audience != nil && !f.hasGrantIn(fr.audience) {
		return 0
	}
	for n := range f.criteria.selections {
		if change.concerns(f.criteria.selections[n].collection) {
			v |= whole.at(n)
		}
	}
	return v
}

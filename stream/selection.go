package stream

import "github.com/pgherald/pgherald/stream/collection"

// selection is a client's choice of rows of a collection, or of events. Of an event, the client gets what it means for these
// rows: the event itself if the row is among them before and after, a delete if it leaves, and so on. A selection of events
// gets what a plain stream with its filter has.
type selection struct {
	id         string                 // in the envelope; empty if the client named none
	collection *collection.Collection // nil for a selection of events
	where      *collection.Where      // nil selects every row
	events     eventFilter            // of a selection of rows only its keys

	quotedID, quotedName string // as JSON
}

func newSelection(id string, c *collection.Collection, where *collection.Where, events eventFilter) selection {
	s := selection{id: id, collection: c, where: where, events: events, quotedID: string(appendJSONString(nil, id))}
	if c != nil {
		s.quotedName = string(appendJSONString(nil, c.Name))
	}
	return s
}

// setSelections sets the selections, and what is derived from them.
func (c *criteria) setSelections(all []selection) {
	c.selections = all
	for n := range all {
		bits := whole.at(n).mask()
		if all[n].collection != nil {
			c.ofRows |= bits
		} else {
			c.ofEvents |= bits
		}
	}
}

// looksIntoData reports whether a selection of events has conditions on fields.
func (c *criteria) looksIntoData() bool {
	for n := range c.selections {
		if c.selections[n].events.where != nil {
			return true
		}
	}
	return false
}

// hasSelections reports whether the filter has selections. If not, its stream is a plain one.
func (f *Filter) hasSelections() bool { return f.criteria != nil && f.criteria.selections != nil }

// hasRows reports whether the filter selects rows of collections.
func (f *Filter) hasRows() bool { return f.criteria != nil && f.criteria.ofRows != 0 }

// judgeSelections returns the verdict about frame i.
func (f *Filter) judgeSelections(e *entry, i int) (v verdict) {
	if f.criteria.ofEvents != 0 {
		v = f.judgeEvents(e, i)
	}
	if f.criteria.ofRows != 0 {
		v |= f.judgeRow(e, i)
	}
	return v
}

// judgeEvents returns the verdict about frame i for the selections of events. A collection_reset matches each of them.
func (f *Filter) judgeEvents(e *entry, i int) (v verdict) {
	fr, c := &e.frames[i], f.criteria
	isReset := fr.eventType == TypeCollectionReset
	if !isReset && (fr.audience != nil && !f.hasGrantIn(fr.audience) || !c.match(e, i)) {
		return 0
	}
	for n := range c.selections {
		if s := &c.selections[n]; s.collection == nil && (isReset || s.events.match(e, i)) {
			v |= whole.at(n)
		}
	}
	return v
}

// judgeRow returns the verdict about frame i, whose change must have been parsed, for the selections of rows:
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
		if s.collection == nil || !s.collection.Is(change.collection) || s.events.keys != nil && !contains(s.events.keys, fr.key) {
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
		if of := f.criteria.selections[n].collection; of != nil && change.concerns(of) {
			v |= whole.at(n)
		}
	}
	return v
}

package stream

import (
	"slices"
	"time"
)

// Everyone is the tag of an audience that everybody belongs to, whatever their grants: for an
// expression that names an audience for some rows only.
const Everyone = "*"

// Filter says which events a subscription is sent: those that its client asked for, of those that
// it may hear. The zero Filter lets every event through that is meant for everyone.
type Filter struct {
	rules  *rules   // nil lets everything through
	grants []string // sorted; nil hears only what is for everyone
}

// rules are what a client chose. They do not change.
type rules struct {
	types []string // sorted, as all lists here; nil means every type
	keys  []string // nil means every key, and none
	where []condition
	id    string // equal for rules that let the same through in the same form

	conflate bool
	window   time.Duration // of a batch, 0 without
}

// condition is true if the payload's top-level field has one of the values.
type condition struct {
	field  string
	values []string
}

// WithGrants returns the filter of somebody who has these grants, and hears what has one of them in
// its audience beside what is for everyone.
func (f Filter) WithGrants(grants []string) Filter {
	f.grants = slices.Clone(grants)
	slices.Sort(f.grants)
	f.grants = slices.Compact(f.grants)
	return f
}

// id is equal for filters of which the clients chose the same.
func (f *Filter) id() string {
	if f.rules == nil {
		return ""
	}
	return f.rules.id
}

// reads reports whether the filter looks into payloads.
func (f *Filter) reads() bool { return f.rules != nil && f.rules.where != nil }

// chooses reports whether there are events for everyone that are not sent.
func (f *Filter) chooses() bool {
	r := f.rules
	return r != nil && (r.types != nil || r.keys != nil || r.where != nil || r.conflate)
}

// match reports whether frame i of the entry is to be sent. If the filter reads payloads, the entry
// must be indexed.
func (f *Filter) match(e *entry, i int) bool {
	fr := &e.frames[i]
	return (fr.audience == nil || f.hears(fr.audience)) && (f.rules == nil || f.rules.match(e, i))
}

// hears reports whether one of the grants is in the audience.
func (f *Filter) hears(audience []string) bool {
	for _, tag := range audience {
		if _, ok := slices.BinarySearch(f.grants, tag); ok {
			return true
		}
	}
	return false
}

func (r *rules) match(e *entry, i int) bool {
	fr := &e.frames[i]
	if r.types != nil && !has(r.types, fr.kind) || r.keys != nil && !has(r.keys, fr.key) {
		return false
	}
	for n := range r.where {
		if !r.where[n].match(e.fields[i]) {
			return false
		}
	}
	return true
}

func (c *condition) match(fields []field) bool {
	for i := len(fields) - 1; i >= 0; i-- { // of a name that stands there twice the last one counts
		if fields[i].name == c.field {
			return !fields[i].opaque && has(c.values, fields[i].text)
		}
	}
	return false
}

func has(sorted []string, s string) bool {
	_, ok := slices.BinarySearch(sorted, s)
	return ok
}

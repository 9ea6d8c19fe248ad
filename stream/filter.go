package stream

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
	"unique"
)

// Everyone is the tag that makes an event public, whatever other tags its audience has. Audience
// expressions return it for rows that every client may see.
const Everyone = "*"

// Filter decides which events a subscription delivers: the events that its client both selected and
// may receive. The zero Filter matches every public event.
type Filter struct {
	criteria *criteria // nil selects every event
	granted  *criteria // holds the grants; nil has none, which matches public events only
}

// criteria holds what a client selected, and whether its events are conflated or batched; or else its
// grants. It is immutable.
type criteria struct {
	// grants come first, and few of them are stored in fewGrants: a fan-out pass looks at those of every client, and
	// spends most of its time on loading them into the processor's cache.
	grants    []string
	fewGrants [2]string

	eventFilter             // of a plain stream; of one with selections, the keys of all of them
	selections  []selection // nil on a plain stream; else types and where are nil
	ofRows      verdict     // all bits of the selections of collections
	ofEvents    verdict     // all bits of the selections of events
	canonical   string      // see Filter.canonical; a hash, which is short

	conflate bool
	window   time.Duration // of a batch; 0 without batches
}

// eventFilter selects events by what they have.
type eventFilter struct {
	types []string // sorted, as all lists here; nil selects every type
	keys  []string // nil selects every key, and events without one
	where []condition
}

// condition holds if the payload's top-level field has one of the values.
type condition struct {
	field  string
	values []string
}

// WithGrants returns the filter for a client with these grants. It matches public events, and events
// whose audience contains one of the grants.
func (f Filter) WithGrants(grants []string) Filter {
	c := new(criteria)
	c.grants = append(c.fewGrants[:0], cloneAll(grants)...)
	slices.Sort(c.grants)
	c.grants = slices.Compact(c.grants)
	f.granted = c
	return f
}

// grants returns the grants, sorted.
func (f *Filter) grants() []string {
	if f.granted == nil {
		return nil
	}
	return f.granted.grants
}

// canonical returns a text that is equal for two filters if and only if they have the same criteria.
// It says nothing of the grants.
func (f *Filter) canonical() string {
	if f.criteria == nil {
		return ""
	}
	return f.criteria.canonical
}

// with returns the filter with changed criteria, and appends mark to their canonical text. The text
// stays unique, because no filter parameter has the name in mark.
func (f Filter) with(mark string, change func(*criteria)) Filter {
	var c criteria
	if f.criteria != nil {
		c = *f.criteria
	}
	change(&c)
	c.canonical += mark
	f.criteria = &c
	return f
}

// needsFields reports whether the filter looks into payloads.
func (f *Filter) needsFields() bool {
	c := f.criteria
	return c != nil && (c.where != nil || c.ofEvents != 0 && c.looksIntoData())
}

// merges reports whether the filter conflates or batches.
func (f *Filter) merges() bool { return f.conflates() || f.batches() }

// isSelective reports whether the filter may leave out public events.
func (f *Filter) isSelective() bool {
	c := f.criteria
	return c != nil && (c.types != nil || c.keys != nil || c.where != nil || c.selections != nil || c.conflate)
}

// judge returns the verdict about the event of frame i. What the filter needs of the entry must have been parsed. A
// collection_reset matches every filter of a plain stream.
func (f *Filter) judge(e *entry, i int) verdict {
	if f.hasSelections() {
		return f.judgeSelections(e, i)
	}
	fr := &e.frames[i]
	if fr.eventType == TypeCollectionReset || (fr.audience == nil || f.hasGrantIn(fr.audience)) && (f.criteria == nil || f.criteria.match(e, i)) {
		return whole.at(0)
	}
	return nothing.at(0)
}

// hasGrantIn reports whether the audience contains one of the grants.
func (f *Filter) hasGrantIn(audience []string) bool {
	grants := f.grants()
	for _, tag := range audience {
		if contains(grants, tag) {
			return true
		}
	}
	return false
}

func (c *eventFilter) match(e *entry, i int) bool {
	fr := &e.frames[i]
	if c.types != nil && !contains(c.types, fr.eventType) || c.keys != nil && !contains(c.keys, fr.key) {
		return false
	}
	if fr.isOversized() { // its fields are not known: the client decides
		return true
	}
	for n := range c.where {
		if !c.where[n].match(e.fields[i]) {
			return false
		}
	}
	return true
}

func (c *condition) match(fields []field) bool {
	for i := len(fields) - 1; i >= 0; i-- { // of two fields with the same name the last one counts
		if fields[i].name == c.field {
			return !fields[i].opaque && contains(c.values, fields[i].text)
		}
	}
	return false
}

func contains(sorted []string, s string) bool {
	_, found := slices.BinarySearch(sorted, s)
	return found
}

// field is a member of a payload in the form that conditions compare.
type field struct {
	name   string
	text   string // the characters of a string, nothing for null, the JSON text of any other value
	opaque bool   // no condition matches it: an object, an array, or longer than maxText
}

// fieldOverhead estimates the bytes that a field takes without its text. Fields share their names.
const fieldOverhead = 40

// parseFields parses the payloads of the frames that were added since the last call. For an entry in
// the feed, call Feed.parse instead.
func (e *entry) parseFields() {
	for i := len(e.fields); i < len(e.frames); i++ {
		fields := parsePayload(e.payload(i))
		e.fields = append(e.fields, fields)
		e.fieldSpace += 24 + fieldOverhead*int64(cap(fields))
		for _, f := range fields {
			e.fieldSpace += int64(len(f.text))
		}
	}
}

// parsePayload returns the members of a JSON object, and none of any other value.
func parsePayload(data []byte) []field {
	d := json.NewDecoder(bytes.NewReader(data))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return nil
	}
	var fields []field
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return fields
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return fields
		}
		text, _ := name.(string)
		fields = append(fields, newField(unique.Make(text).Value(), raw))
	}
	return fields
}

func newField(name string, raw json.RawMessage) field {
	f := field{name: name}
	switch raw[0] {
	case 'n':
	case '{', '[':
		f.opaque = true
	case '"':
		// JSON encodes a byte in at most six characters, and adds two quotes.
		f.opaque = len(raw) > 6*maxText+2 || json.Unmarshal(raw, &f.text) != nil
	default:
		f.text = string(raw)
	}
	if len(f.text) > maxText {
		f.text, f.opaque = "", true
	}
	return f
}

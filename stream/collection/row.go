package collection

import (
	"encoding/json"
	"slices"
	"strings"
)

// Row holds the values of a row's filter fields, parsed once for all filters of its collection. It is immutable.
// Every filter matches the zero Row, of which nothing is known.
type Row struct {
	collection *Collection
	values     []Value // by the place of the field among the filter fields
}

// ParseRow returns the row in the data of an event, or in a list. xid is the transaction that wrote the event:
// a field that is absent, and that events of the time may lack, matches every filter. Other absent fields match none.
func (c *Collection) ParseRow(data []byte, xid uint64) Row {
	r := Row{collection: c}
	fields := 0
	for i := range c.Fields {
		if c.Fields[i].Filter != "" {
			fields++
		}
	}
	r.values = make([]Value, fields)
	slot := 0
	for i := range c.Fields {
		if f := &c.Fields[i]; f.Filter != "" {
			if xid < f.FilterSince {
				r.values[slot].state = anything
			}
			slot++
		}
	}
	r.read(data)
	return r
}

// Former returns the row before an update that has the column was in the log; it may be nil. xid is the update's transaction.
// The fields that it changed before FilterSince are not known, so that every filter matches them.
func (r Row) Former(was []byte, xid uint64) Row {
	if r.values == nil {
		return r
	}
	r.values = slices.Clone(r.values)
	slot := 0
	for i := range r.collection.Fields {
		if f := &r.collection.Fields[i]; f.Filter != "" {
			if xid < f.FilterSince {
				r.values[slot] = Value{state: anything}
			}
			slot++
		}
	}
	r.read(was)
	return r
}

// Size returns the bytes of memory that the row takes.
func (r Row) Size() int {
	size := 32 + len(r.values)*48
	for i := range r.values {
		size += len(r.values[i].text)
	}
	return size
}

// read sets the values that are members of the JSON object.
func (r *Row) read(object []byte) {
	fields := r.collection.Fields
	next, slot := 0, 0 // members have the order of the fields, with gaps
	for name, raw := range members(object) {
		i, s := next, slot
		for range fields {
			if i == len(fields) {
				i, s = 0, 0
			}
			f := &fields[i]
			i++
			if f.Filter != "" {
				s++
			}
			if f.Name == string(name) {
				if f.Filter != "" {
					r.values[s-1] = f.parseJSON(raw)
				}
				next, slot = i, s
				break
			}
		}
	}
}

// parseJSON returns the value that to_json shows.
func (f *Field) parseJSON(raw []byte) Value {
	text := ""
	switch raw[0] {
	case 'n':
		return Value{state: null}
	case '{', '[':
		return Value{}
	case '"':
		// JSON spells a byte with at most six characters.
		if f.Filter.isText() && len(raw) > 6*maxText+2 {
			return tooLong
		}
		var ok bool
		if text, ok = unquote(raw); !ok {
			return Value{}
		}
	default:
		if f.Filter.isText() {
			return Value{}
		}
		text = string(raw)
	}
	v, ok := f.Filter.behavior().parse(text)
	if !ok {
		return Value{}
	}
	return v
}

func unquote(raw []byte) (text string, ok bool) {
	if !strings.Contains(string(raw), `\`) { // compiles without a copy
		return string(raw[1 : len(raw)-1]), true
	}
	err := json.Unmarshal(raw, &text)
	return text, err == nil
}

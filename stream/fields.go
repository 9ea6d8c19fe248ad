package stream

import (
	"bytes"
	"encoding/json"
	"unique"
)

// field is a member of a payload, as filters see it.
type field struct {
	name   string
	text   string // of a string its characters, of null nothing, otherwise as it is written
	opaque bool   // an object, an array or longer than any filter's value: no filter matches it
}

// fieldOverhead is about what a field takes beside its text. Its name is shared by all.
const fieldOverhead = 40

// index finds the fields of the frames that were added since. It is for an entry that nobody else
// has: one in a feed is indexed by its ring.
func (e *entry) index() {
	for i := len(e.fields); i < len(e.frames); i++ {
		fields := parseFields(e.payload(i))
		e.fields = append(e.fields, fields)
		e.indexed += 24 + fieldOverhead*int64(cap(fields))
		for _, f := range fields {
			e.indexed += int64(len(f.text))
		}
	}
}

// payload is the data of frame i.
func (e *entry) payload(i int) []byte {
	data := e.blocks[e.frames[i].block][e.frames[i].data:e.frames[i].end]
	return data[:bytes.LastIndexByte(data, ',')] // the envelope ends with its timestamp
}

// parseFields returns the members of a JSON object, none of any other value.
func parseFields(data []byte) []field {
	d := json.NewDecoder(bytes.NewReader(data))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil
	}
	var out []field
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return out
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return out
		}
		text, _ := name.(string)
		out = append(out, newField(unique.Make(text).Value(), raw))
	}
	return out
}

func newField(name string, raw json.RawMessage) field {
	f := field{name: name}
	switch raw[0] {
	case 'n':
	case '{', '[':
		f.opaque = true
	case '"':
		f.opaque = len(raw) > 6*maxText+2 || json.Unmarshal(raw, &f.text) != nil
	default:
		f.text = string(raw)
	}
	if len(f.text) > maxText {
		f.text, f.opaque = "", true
	}
	return f
}

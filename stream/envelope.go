package stream

import "strconv"

// On a stream of selections the envelope has further members before its timestamp:
//
//	data: {"id":1841,"type":"order_updated","data":{…},"collection":"orders","op":"update","key":"17","xid":"8812","timestamp":…}\n\n
//	^ start                                            payloadEnd                                                  ^            end
//
// What precedes the payload's end is in the block of the entry, which all clients share. An event without data begins
// with its own text. An event that only selections of events get has their names in "q", and nothing else.

// addRow appends frame i and returns its size with the id line, which stands before it if it is not nil.
func (o *output) addRow(e *entry, i int, v verdict, idLine []byte) int {
	f := &e.frames[i]
	block := e.blocks[f.block]
	begin, timestamp := block[f.start:f.payloadEnd], block[f.payloadEnd:e.end(i)]
	hasData := v.hasData(len(o.selections))
	if !hasData {
		begin = o.cut(appendBegin(o.reserve(envelopeSize+len(f.eventType)), f))
	}
	end := o.reserve(membersSize + len(f.key) + len(timestamp))
	end = o.cut(append(o.appendMembers(end, e, i, v, hasData), timestamp...))
	if o.batch != nil {
		envelope := batchedEvent{begin[len(dataPrefix):], end[:len(end)-len("\n\n")], e.timestamp(i)}
		o.bufs = o.batch.add(o.bufs, envelope, idLine)
		return len(idLine) + len(begin) + len(end)
	}
	if idLine != nil {
		o.bufs = append(o.bufs, idLine)
	}
	o.bufs = append(o.bufs, begin, end)
	return len(idLine) + len(begin) + len(end)
}

// membersSize is the usual size of the members of a stream of collections, without the key.
const membersSize = 160

// reserve returns an empty slice for about n bytes, which follow earlier texts in memory if there is room. cut ends it.
func (o *output) reserve(n int) []byte {
	const most = 8 << 10
	if cap(o.text)-len(o.text) < n {
		o.text = make([]byte, 0, max(n, min(2*cap(o.text), most)))
	}
	return o.text[len(o.text):]
}

// cut returns a text that was appended to the result of reserve.
func (o *output) cut(text []byte) []byte {
	if n := len(o.text) + len(text); n <= cap(o.text) {
		o.text = o.text[:n]
	}
	return text[:len(text):len(text)]
}

// appendBegin appends the beginning of a frame, up to its type.
func appendBegin(b []byte, f *frame) []byte {
	b = append(b, dataPrefix+`{"id":`...)
	b = strconv.AppendInt(b, f.id, 10)
	b = append(b, `,"type":`...)
	return appendJSONString(b, f.eventType)
}

// hasData reports whether one of n selections gets the data.
func (v verdict) hasData(n int) bool {
	for i := range n {
		if o := v.of(i); o == whole || o == entered {
			return true
		}
	}
	return false
}

// appendMembers appends the members of frame i.
func (o *output) appendMembers(b []byte, e *entry, i int, v verdict, hasData bool) []byte {
	ofRows := v & o.ofRows
	if ofRows == 0 {
		b = appendIDs(b, v, o.selections)
		if o.isPast {
			b = appendPast(b, e, i)
		}
		return b
	}
	f, change, selections := &e.frames[i], &e.changes[i], o.selections
	first, isCommon := firstOf(v, selections)
	if name := collectionOf(change, ofRows, selections); name != "" {
		b = append(b, `,"collection":`...)
		b = append(b, name...)
	}
	if selections[first].id != "" {
		b = appendIDs(b, v, selections)
	}
	if isCommon {
		b = append(b, ',')
		b = appendOp(b, change.op, v.of(first))
	} else {
		b = appendOps(b, change.op, ofRows, selections)
	}
	isKnown := f.isOversized() && hasData // its key is in the envelope already
	if change.op != reset && f.isOfRow() && !isKnown {
		b = append(b, `,"key":`...)
		b = appendJSONString(b, f.key)
	}
	b = append(b, `,"xid":"`...)
	b = strconv.AppendUint(b, e.xid, 10)
	return append(b, '"')
}

// firstOf returns the first selection that gets something, and whether all that do get the same.
func firstOf(v verdict, selections []selection) (first int, isCommon bool) {
	for v.of(first) == nothing {
		first++
	}
	for n := first + 1; n < len(selections); n++ {
		if o := v.of(n); o != nothing && o != v.of(first) {
			return first, false
		}
	}
	return first, true
}

// collectionOf returns the name of the collection that the event is about, as JSON; empty if it is about several or
// unknown ones.
func collectionOf(change *change, v verdict, selections []selection) (name string) {
	if change.op == reset && change.resets == nil {
		return ""
	}
	for n := range selections {
		switch s := &selections[n]; {
		case v.of(n) == nothing || s.quotedName == name:
		case name != "":
			return ""
		default:
			name = s.quotedName
		}
	}
	return name
}

// appendIDs appends the names of the selections that get something.
func appendIDs(b []byte, v verdict, selections []selection) []byte {
	b = append(b, `,"q":[`...)
	for n := range selections {
		if v.of(n) != nothing {
			b = append(b, selections[n].quotedID...)
			b = append(b, ',')
		}
	}
	return append(b[:len(b)-1], ']')
}

// appendOps appends what each selection of rows gets.
func appendOps(b []byte, of op, v verdict, selections []selection) []byte {
	b = append(b, `,"ops":{`...)
	for n := range selections {
		if v.of(n) != nothing {
			b = append(b, selections[n].quotedID...)
			b = append(b, ":{"...)
			b = appendOp(b, of, v.of(n))
			b = append(b, "},"...)
		}
	}
	return append(b[:len(b)-1], '}')
}

// appendOp appends what a selection gets of an event with the op.
func appendOp(b []byte, of op, o outcome) []byte {
	switch o {
	case entered:
		return append(b, `"op":"insert","moved":true`...)
	case left:
		return append(b, `"op":"delete","moved":true`...)
	case reloaded:
		of = reset
	}
	b = append(b, `"op":"`...)
	b = append(b, opNames[of]...)
	return append(b, '"')
}

// addPast appends frame 0 with the members of a stream of collections, those that are known without one.
func (o *output) addPast(e *entry) {
	f := &e.frames[0]
	block := e.blocks[f.block]
	end := appendPast(make([]byte, 0, membersSize+len(f.key)), e, 0)
	o.bufs = append(o.bufs, block[f.start:f.payloadEnd], end, block[f.payloadEnd:e.end(0)])
}

// appendPast appends the members of frame i that are known without a collection.
func appendPast(b []byte, e *entry, i int) []byte {
	f, change := &e.frames[i], &e.changes[i]
	if name := change.subject(); name != "" {
		b = append(b, `,"collection":`...)
		b = appendJSONString(b, name)
	}
	if change.op != noOp {
		b = append(append(append(b, `,"op":"`...), opNames[change.op]...), '"')
	}
	if f.isOfRow() && !f.isOversized() { // an oversized event has it already
		b = append(b, `,"key":`...)
		b = appendJSONString(b, f.key)
	}
	b = append(b, `,"xid":"`...)
	return append(strconv.AppendUint(b, e.xid, 10), '"')
}

// subject returns the name of the collection that the change is about; empty if it is about none, or not about a single one.
func (c *change) subject() string {
	switch {
	case c.collection != nil:
		return c.collection.Name
	case len(c.resets) == 1:
		return c.resets[0].Name
	}
	return ""
}

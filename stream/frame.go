package stream

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"time"
)

// frame says where in its entry the encoded bytes of one event are, and holds the values that filters
// compare. The bytes are in a block of the entry:
//
//	data: {"id":1841,"type":"activity_updated","data":{…},"timestamp":1764000000123}\n\n
//	^     ^                                           ^  ^
//	start envelope                              payload  payloadEnd
//
// The envelope is the JSON object on the data line. The id line is not part of a frame. The envelope of an
// oversized event has "key" and "oversized" in place of "data", and its payload is empty.
type frame struct {
	id        int64
	eventType string
	key       string
	audience  []string // nil if the event is public
	former    *former  // nil if the event changed nothing that it has
	at        int64    // when the row was written, in Unix nanoseconds

	block               uint32 // the index of its block
	start               uint32 // offsets in the block
	payload, payloadEnd uint32
}

// The fixed parts of a frame.
const (
	dataPrefix   = "data: "
	timestampKey = `,"timestamp":`
	frameEnd     = "}\n\n"
)

// appendFrame appends the event, whose type is given as a JSON string, as a frame. It also returns the offsets of the
// payload's start and end in the result.
func appendFrame(b []byte, e *Event, eventType []byte) (_ []byte, payload, payloadEnd int) {
	b = append(b, dataPrefix+`{"id":`...)
	b = strconv.AppendInt(b, e.ID, 10)
	b = append(b, `,"type":`...)
	b = append(b, eventType...)
	if e.Incomplete == Oversized {
		b = appendOversized(b, e.Key)
		return appendTimestamp(b, e.At), len(b), len(b)
	}
	b = append(b, `,"data":`...)
	payload = len(b)
	b = appendOneLine(b, e.Data)
	payloadEnd = len(b)
	return appendTimestamp(b, e.At), payload, payloadEnd
}

// appendOversized appends what the envelope of an oversized event has in place of data. The key may be
// empty: not known, or too long.
func appendOversized(b []byte, key string) []byte {
	if key != "" {
		b = append(b, `,"key":`...)
		b = appendJSONString(b, key)
	}
	return append(b, `,"oversized":true`...)
}

// isOversized reports whether the frame has no data.
func (f *frame) isOversized() bool { return f.payload == f.payloadEnd }

// appendControl appends a frame of a sync or heartbeat event.
func appendControl(b []byte, eventType string, data any, now time.Time) []byte {
	b = append(b, dataPrefix+`{"type":`...)
	b = appendJSONString(b, eventType)
	b = append(b, `,"data":`...)
	encoded, _ := json.Marshal(data)
	b = append(b, encoded...)
	return appendTimestamp(b, now)
}

// appendTimestamp appends the timestamp in Unix milliseconds, and ends the frame.
func appendTimestamp(b []byte, at time.Time) []byte {
	b = append(b, timestampKey...)
	b = strconv.AppendInt(b, at.UnixMilli(), 10)
	return append(b, frameEnd...)
}

// appendOneLine appends JSON with its line breaks turned into spaces. Between tokens white space has
// no meaning, and JSON strings contain no line breaks, which in a frame would end the data line.
func appendOneLine(b, data []byte) []byte {
	line := len(b)
	b = append(b, data...)
	for _, lineBreak := range []byte("\n\r") { // IndexByte twice is much faster than IndexAny
		for i := line; ; i++ {
			n := bytes.IndexByte(b[i:], lineBreak)
			if n < 0 {
				break
			}
			i += n
			b[i] = ' '
		}
	}
	return b
}

// appendJSONString appends s as a JSON string. Marshalling a string cannot fail.
func appendJSONString(b []byte, s string) []byte {
	quoted, _ := json.Marshal(s)
	return append(b, quoted...)
}

// appendID appends an id line, which stands before a frame.
func appendID(b []byte, c Cursor) []byte {
	b = append(b, "id: "...)
	b = append(b, c.String()...)
	return append(b, '\n')
}

// entry is an encoded transaction. All subscriptions share its bytes. It does not change once it is
// in the feed.
type entry struct {
	xid    uint64
	cursor Cursor   // after the transaction
	frames []frame  // one for each event
	blocks [][]byte // the bytes of the frames: a block for each part, so that none is reallocated
	length int      // bytes of all blocks
	idLine []byte   // stands before the last frame that is sent
	inLog  bool     // too large for the feed: its events are read from the log
	read   int64    // when the feed had read it, in Unix nanoseconds of this server's clock
	left   *Digest  // of the events that were left there; nil if inLog is not set

	space           int64 // estimated bytes of the blocks and of the frames' types, keys and former values
	audiences       int64 // estimated bytes of the audiences
	formerAudiences int64 // estimated bytes of the former audiences; not 0 if there are any
	withheld        int   // events with an empty audience

	// The payload fields and the change of each frame. The first filter that looks at them has them parsed.
	fieldsOnce, changesOnce sync.Once
	fields                  [][]field
	changes                 []change
	fieldSpace, changeSpace int64 // estimated bytes of the fields and of the changes
}

// The bytes that the runtime allocates for the fixed part of each. TestEntrySize checks them.
const (
	entryOverhead = 288
	frameOverhead = 96
	blockOverhead = 24
	tagOverhead   = 16
)

// envelopeSize bounds the bytes of a frame without its type, its key and its payload.
const envelopeSize = 96

// add encodes further events of the transaction.
func (e *entry) add(t *Transaction) {
	if len(t.Events) == 0 {
		return
	}
	space := 0
	for i := range t.Events {
		ev := &t.Events[i]
		space += envelopeSize + len(ev.Type) + len(ev.Data)
		if ev.Incomplete == Oversized {
			space += len(ev.Key)
		}
	}
	block := make([]byte, 0, space)
	e.frames = slices.Grow(e.frames, len(t.Events))
	var eventType []byte
	for i := range t.Events {
		ev := &t.Events[i]
		if i == 0 || ev.Type != t.Events[i-1].Type {
			eventType = appendJSONString(eventType[:0], ev.Type)
		}
		start := len(block)
		var payload, payloadEnd int
		block, payload, payloadEnd = appendFrame(block, ev, eventType)
		e.frames = append(e.frames, frame{
			id: ev.ID, eventType: e.shareType(ev.Type), key: ev.Key, audience: e.addAudience(ev.Audience), former: e.addFormer(ev), at: ev.At.UnixNano(),
			block: uint32(len(e.blocks)), start: uint32(start), payload: uint32(payload), payloadEnd: uint32(payloadEnd),
		})
		e.space += allocated(len(ev.Key))
	}
	e.blocks = append(e.blocks, block)
	e.length += len(block)
	e.space += int64(cap(block))
}

// shareType returns the type for the next frame: the string of the frame before if they are equal,
// so that both share its memory.
func (e *entry) shareType(eventType string) string {
	if n := len(e.frames); n > 0 && e.frames[n-1].eventType == eventType {
		return e.frames[n-1].eventType
	}
	e.space += allocated(len(eventType))
	return eventType
}

// addAudience returns the audience for the next frame, nil if the event is public, and counts its
// memory.
func (e *entry) addAudience(tags []string) []string {
	if tags == nil || slices.Contains(tags, Everyone) {
		return nil
	}
	if len(tags) == 0 {
		e.withheld++
	}
	e.audiences += tagsSize(tags)
	return tags
}

// allocated estimates what the runtime allocates for n bytes: a multiple of 16.
func allocated(n int) int64 { return int64(n+15) &^ 15 }

// complete sets the cursor after the transaction, which comes with its last part, and the id line.
func (e *entry) complete(after Cursor) {
	e.cursor = after
	e.idLine = appendID(nil, after)
}

// leaveInLog discards the events and marks the entry: subscriptions read the events from the log.
func (e *entry) leaveInLog() {
	left := e.digest()
	e.inLog, e.left, e.blocks, e.frames, e.length, e.space, e.audiences, e.formerAudiences = true, &left, nil, nil, 0, 0, 0, 0
}

// size estimates the memory of the entry in bytes, without its fields and changes.
func (e *entry) size() int64 {
	fixed := entryOverhead + cap(e.idLine) + 8*cap(e.cursor.holes) + cap(e.frames)*frameOverhead + cap(e.blocks)*blockOverhead
	return int64(fixed) + e.space + e.audiences + e.formerAudiences
}

// isPublic reports whether all events of the entry are public, also before them if former is set.
func (e *entry) isPublic(former bool) bool {
	return e.audiences == 0 && e.withheld == 0 && (!former || e.formerAudiences == 0)
}

// chunk returns the bytes of the frames from i to before j. They must be in one block.
func (e *entry) chunk(i, j int) []byte {
	return e.blocks[e.frames[i].block][e.frames[i].start:e.end(j-1)]
}

// end returns the offset behind frame i in its block, where the next frame of the block starts.
func (e *entry) end(i int) uint32 {
	block := e.frames[i].block
	if next := i + 1; next < len(e.frames) && e.frames[next].block == block {
		return e.frames[next].start
	}
	return uint32(len(e.blocks[block]))
}

// payload returns the data of the event of frame i.
func (e *entry) payload(i int) []byte {
	f := &e.frames[i]
	return e.blocks[f.block][f.payload:f.payloadEnd]
}

// envelope returns the JSON object on the data line of frame i.
func (e *entry) envelope(i int) []byte {
	f := &e.frames[i]
	return e.blocks[f.block][f.start+uint32(len(dataPrefix)) : e.end(i)-uint32(len("\n\n"))]
}

// timestamp returns the timestamp in the envelope of frame i.
func (e *entry) timestamp(i int) []byte {
	f := &e.frames[i]
	return e.blocks[f.block][f.payloadEnd+uint32(len(timestampKey)) : e.end(i)-uint32(len(frameEnd))]
}

// eventIDBefore returns the log id of the event before the given frame, 0 before the first.
func (e *entry) eventIDBefore(frame int) int64 {
	if frame == 0 {
		return 0
	}
	return e.frames[frame-1].id
}

package stream

import (
	"slices"
	"sync"
)

// entry is a transaction in the feed: its frames, encoded once and shared by everyone who reads
// them. It does not change once it is in the feed.
type entry struct {
	xid    uint64
	cursor Cursor   // after its delivery
	frames []frame  // one for each event
	blocks [][]byte // the frames' bytes, without id lines: a block for each part, as one that grew would be copied
	length int      // of all blocks
	id     []byte   // the id line, which goes before the last frame
	inLog  bool     // too large for the feed: its events must be read from the log

	space     int64 // about what the blocks take, and the frames' types and keys
	audiences int64 // and their audiences
	withheld  int   // events that have an audience of nobody

	// What filters look at in payloads: for each frame its fields. Found when the first asks.
	once    sync.Once
	fields  [][]field
	indexed int64 // about what they take
}

// entryOverhead is about what an entry and each of its frames take beside their bytes.
const (
	entryOverhead = 288
	frameOverhead = 88
	blockOverhead = 24
	tagOverhead   = 16
)

// envelopeSize is what a frame takes beside its type and its payload, at most.
const envelopeSize = 96

// add encodes further events of the transaction.
func (e *entry) add(t *Transaction) {
	if len(t.Events) == 0 {
		return
	}
	space := 0
	for i := range t.Events {
		space += envelopeSize + len(t.Events[i].Type) + len(t.Events[i].Data)
	}
	block := make([]byte, 0, space)
	for i := range t.Events {
		ev := &t.Events[i]
		start, data := len(block), 0
		block, data = appendFrame(block, ev)
		e.frames = append(e.frames, frame{
			id: ev.ID, kind: e.kind(ev.Type), key: ev.Key, audience: e.audience(ev.Audience), at: ev.At.UnixNano(),
			block: uint32(len(e.blocks)), start: uint32(start), end: uint32(len(block)), data: uint32(data),
		})
		e.space += allocated(len(ev.Key))
	}
	e.blocks = append(e.blocks, block)
	e.length += len(block)
	e.space += int64(cap(block))
}

// kind returns the type of the next frame. As long as it is that of the frame before, they share it.
func (e *entry) kind(of string) string {
	if n := len(e.frames); n > 0 && e.frames[n-1].kind == of {
		return e.frames[n-1].kind
	}
	e.space += allocated(len(of))
	return of
}

// allocated is about what the runtime allocates for so many bytes.
func allocated(n int) int64 { return int64(n+15) &^ 15 }

// audience returns who may hear an event, and counts what that takes: nil if everyone may.
func (e *entry) audience(tags []string) []string {
	if tags == nil || slices.Contains(tags, Everyone) {
		return nil
	}
	if len(tags) == 0 {
		e.withheld++
	}
	for _, tag := range tags {
		e.audiences += tagOverhead + allocated(len(tag))
	}
	return tags
}

// restricted reports whether some of the events are not for everyone.
func (e *entry) restricted() bool { return e.audiences > 0 || e.withheld > 0 }

// finish sets what is known with the transaction's last part.
func (e *entry) finish(t *Transaction) {
	e.cursor = t.Cursor
	e.id = appendID(nil, t.Cursor)
}

// spill forgets the events: the entry then only says that they are in the log.
func (e *entry) spill() {
	e.inLog, e.blocks, e.frames, e.length, e.space, e.audiences = true, nil, nil, 0, 0, 0
}

// size is about how much memory the entry holds, in bytes.
func (e *entry) size() int64 {
	fixed := entryOverhead + cap(e.id) + 8*cap(e.cursor.holes) + cap(e.frames)*frameOverhead + cap(e.blocks)*blockOverhead
	return int64(fixed) + e.space + e.audiences
}

// bytes is what frame i takes on the wire, without an id line.
func (e *entry) bytes(i int) []byte { return e.chunk(i, i+1) }

// chunk is what the frames from i to before j take on the wire. They must be in one block.
func (e *entry) chunk(i, j int) []byte {
	return e.blocks[e.frames[i].block][e.frames[i].start:e.frames[j-1].end]
}

// due appends the frames from the given one on that are chosen, and id before the
// last of them, until they are limit bytes or more. It returns the frame to go on with, which
// is len(e.frames) at the end, and the bytes appended.
//
// The id line must stand on the last frame that is sent, not on the last there is: one pass
// finds out which that is.
func (e *entry) due(dst [][]byte, from int, c *choice, id []byte, limit int) ([][]byte, int, int) {
	n := 0
	last := e.lastMatch(c)
	for i := from; i <= last; i++ {
		if n >= limit {
			return dst, i, n
		}
		if i == last {
			dst = append(dst, id)
			n += len(id)
		}
		if j := e.run(i, last, c, limit-n); j > i {
			chunk := e.chunk(i, j)
			dst = append(dst, chunk)
			n += len(chunk)
			i = j - 1
		}
	}
	return dst, len(e.frames), n
}

// run returns the end of the run of matching frames that begins at i: it stops before last,
// which needs an id line of its own, at the end of a block, and when the bytes reach limit.
func (e *entry) run(i, last int, c *choice, limit int) int {
	if i == last {
		return i + 1
	}
	j := i
	for j < last && c.match(e, j) && (j == i || e.follows(i, j, limit)) {
		j++
	}
	return j
}

// follows reports whether frame j is in one block with i, and less than limit bytes end with it.
func (e *entry) follows(i, j, limit int) bool {
	from, to := &e.frames[i], &e.frames[j]
	return to.block == from.block && int(to.end-from.start) < limit
}

// lastMatch returns the last frame that are chosen, -1 if there is none.
func (e *entry) lastMatch(c *choice) int {
	for i := len(e.frames) - 1; i >= 0; i-- {
		if c.match(e, i) {
			return i
		}
	}
	return -1
}

// matches counts the frames of a range that are chosen.
func (e *entry) matches(from, to int, c *choice) int {
	n := 0
	for i := from; i < to; i++ {
		if c.match(e, i) {
			n++
		}
	}
	return n
}

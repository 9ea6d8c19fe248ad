package stream

import (
	"slices"
	"sync"
)

// entry is a transaction in the feed: its frames, encoded once and shared by everyone who reads
// them. It does not change once it is in the feed.
type entry struct {
	xid    uint64
	cursor Cursor  // after its delivery
	frames []frame // one for each event
	body   []byte  // the frames' bytes, without id lines
	id     []byte  // the id line, which goes before the last frame
	inLog  bool    // too large for the feed: its events must be read from the log

	audiences int64 // about what the frames' audiences take
	withheld  int   // events that have an audience of nobody

	// What filters look at in payloads: for each frame its fields. Found when the first asks.
	once    sync.Once
	fields  [][]field
	indexed int64 // about what they take
}

// entryOverhead is about what an entry and each of its frames take beside their bytes.
const (
	entryOverhead = 256
	frameOverhead = 88
	tagOverhead   = 16
)

// add encodes further events of the transaction.
func (e *entry) add(t *Transaction) {
	for i := range t.Events {
		ev := &t.Events[i]
		data := 0
		e.body, data = appendFrame(e.body, ev)
		e.frames = append(e.frames, frame{
			id: ev.ID, kind: ev.Type, key: ev.Key, audience: e.audience(ev.Audience), data: data,
			at: ev.At.UnixNano(), end: len(e.body),
		})
	}
}

// audience returns who may hear an event, and counts what that takes: nil if everyone may.
func (e *entry) audience(tags []string) []string {
	if tags == nil || slices.Contains(tags, Everyone) {
		return nil
	}
	if len(tags) == 0 {
		e.withheld++
	}
	for _, tag := range tags {
		e.audiences += int64(tagOverhead + len(tag))
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
	e.inLog, e.body, e.frames, e.audiences = true, nil, nil, 0
}

// size is about how much memory the entry holds, in bytes.
func (e *entry) size() int64 {
	return int64(entryOverhead+cap(e.body)+len(e.id)+8*len(e.cursor.holes)+cap(e.frames)*frameOverhead) + e.audiences
}

func (e *entry) start(i int) int {
	if i == 0 {
		return 0
	}
	return e.frames[i-1].end
}

// bytes is what frame i takes on the wire, without an id line.
func (e *entry) bytes(i int) []byte { return e.body[e.start(i):e.frames[i].end] }

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
			chunk := e.body[e.start(i):e.frames[j-1].end]
			dst = append(dst, chunk)
			n += len(chunk)
			i = j - 1
		}
	}
	return dst, len(e.frames), n
}

// run returns the end of the run of matching frames that begins at i: it stops before last,
// which needs an id line of its own, and when the bytes reach limit.
func (e *entry) run(i, last int, c *choice, limit int) int {
	if i == last {
		return i + 1
	}
	j := i
	for j < last && c.match(e, j) && (j == i || e.frames[j].end-e.start(i) < limit) {
		j++
	}
	return j
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

package relay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// errMalformed is wrapped by the errors of Decode.
var errMalformed = errors.New("malformed entry")

// format is the first byte of an entry. A change of the encoding takes another one.
const format = 1

// The flags of an event: which of its fields there are. An absent audience and an empty one differ.
const (
	hasKey = 1 << iota
	hasAudience
	hasAudienceWas
	hasData
	hasWas
	isIncomplete
)

// Encode returns the bytes of an entry. The text of a cursor would be cut if it had many holes; this form is exact.
func (e *Entry) Encode() []byte { return e.encodeWith(encodeEvents(nil, e.Events)) }

// encodeWith is Encode for events that were encoded already.
func (e *Entry) encodeWith(events []byte) []byte {
	b := make([]byte, 0, 96+2*len(e.Cursor.Holes())+len(events))
	b = append(b, format)
	b = appendCursor(b, e.Cursor)
	b = binary.AppendUvarint(b, e.XID)
	more := uint64(0)
	if e.More {
		more = 1
	}
	b = binary.AppendUvarint(b, e.Part<<1|more)
	b = binary.AppendVarint(b, e.LastID)
	for _, n := range []uint64{e.Totals.Events, e.Totals.Private, e.Totals.Bytes, uint64(len(e.Events))} {
		b = binary.AppendUvarint(b, n)
	}
	return append(b, events...)
}

func appendCursor(b []byte, c stream.Cursor) []byte {
	b = appendBytes(b, c.Epoch())
	b = binary.AppendUvarint(b, c.Next())
	b = binary.AppendUvarint(b, c.LSN())
	holes := c.Holes()
	b = binary.AppendUvarint(b, uint64(len(holes)))
	above := c.Next()
	for i := len(holes) - 1; i >= 0; i-- {
		b = binary.AppendUvarint(b, above-holes[i])
		above = holes[i]
	}
	return b
}

func appendBytes[T ~string | ~[]byte](b []byte, s T) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func encodeEvents(b []byte, events []stream.Event) []byte {
	for i := range events {
		b = appendEvent(b, &events[i])
	}
	return b
}

func appendEvent(b []byte, e *stream.Event) []byte {
	flags := byte(0)
	set := func(flag byte, is bool) {
		if is {
			flags |= flag
		}
	}
	set(hasKey, e.Key != "")
	set(hasAudience, e.Audience != nil)
	set(hasAudienceWas, e.AudienceWas != nil)
	set(hasData, e.Data != nil)
	set(hasWas, e.Was != nil)
	set(isIncomplete, e.Incomplete != "")
	b = append(b, flags)
	b = binary.AppendVarint(b, e.ID)
	b = binary.AppendVarint(b, e.At.UnixNano())
	b = appendBytes(b, e.Type)
	if flags&hasKey != 0 {
		b = appendBytes(b, e.Key)
	}
	if flags&hasAudience != 0 {
		b = appendTags(b, e.Audience)
	}
	if flags&hasAudienceWas != 0 {
		b = appendTags(b, e.AudienceWas)
	}
	if flags&hasData != 0 {
		b = appendBytes(b, e.Data)
	}
	if flags&hasWas != 0 {
		b = appendBytes(b, e.Was)
	}
	if flags&isIncomplete != 0 {
		b = appendBytes(b, e.Incomplete)
	}
	return b
}

func appendTags(b []byte, tags []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(tags)))
	for _, t := range tags {
		b = appendBytes(b, t)
	}
	return b
}

// Decode returns the entry of its bytes, which the caller must not change afterwards. Any bytes are safe: the store may hold what no relay
// wrote.
func Decode(data []byte) (Entry, error) {
	d := decoder{rest: data}
	if f := d.byte(); f != format && d.err == nil {
		return Entry{}, fmt.Errorf("%w: format %d is not known: another version of pgherald wrote it", errMalformed, f)
	}
	var e Entry
	e.Cursor = d.cursor()
	e.XID = d.uvarint()
	part := d.uvarint()
	e.Part, e.More = part>>1, part&1 != 0
	e.LastID = d.varint()
	e.Totals = Totals{Events: d.uvarint(), Private: d.uvarint(), Bytes: d.uvarint()}
	n := d.count(minEvent)
	if n > 0 {
		e.Events = make([]stream.Event, n)
	}
	for i := range e.Events {
		e.Events[i] = d.event()
	}
	if d.err == nil && len(d.rest) > 0 {
		d.fail("it is longer than its events")
	}
	return e, d.err
}

// decoder takes values from the front of rest. After an error it returns zero values.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(why string) {
	if d.err == nil {
		d.err, d.rest = fmt.Errorf("%w: %s", errMalformed, why), nil
	}
}

func (d *decoder) byte() byte {
	if len(d.rest) == 0 {
		d.fail("it ends early")
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail("it ends within a number")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail("it ends within a number")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// count returns a number of elements of at least the given size, for which there must be room.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.rest)/size) {
		d.fail("it ends early")
		return 0
	}
	return int(n)
}

func (d *decoder) bytes() []byte {
	n := d.count(1)
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) cursor() stream.Cursor {
	epoch := string(d.bytes())
	next, lsn := d.uvarint(), d.uvarint()
	holes := make([]uint64, d.count(1))
	above := next
	for i := len(holes) - 1; i >= 0; i-- {
		gap := d.uvarint()
		if gap == 0 || gap > above {
			d.fail("a hole is out of range")
			return stream.Cursor{}
		}
		above -= gap
		holes[i] = above
	}
	return stream.NewCursor(epoch, next, holes).WithLSN(lsn)
}

// minEvent is the least size of an event: its flags, id, time and the length of its type.
const minEvent = 4

func (d *decoder) event() (e stream.Event) {
	flags := d.byte()
	e.ID = d.varint()
	e.At = time.Unix(0, d.varint())
	e.Type = string(d.bytes())
	if flags&hasKey != 0 {
		e.Key = string(d.bytes())
	}
	if flags&hasAudience != 0 {
		e.Audience = d.tags()
	}
	if flags&hasAudienceWas != 0 {
		e.AudienceWas = d.tags()
	}
	if flags&hasData != 0 {
		e.Data = d.bytes()
	}
	if flags&hasWas != 0 {
		e.Was = d.bytes()
	}
	if flags&isIncomplete != 0 {
		e.Incomplete = stream.Incomplete(d.bytes())
	}
	return e
}

func (d *decoder) tags() []string {
	tags := make([]string, d.count(1))
	for i := range tags {
		tags[i] = string(d.bytes())
	}
	return tags
}

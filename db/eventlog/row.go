package eventlog

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// row is a row of a statement that begins with eventsSQL, in PostgreSQL's binary format. It is valid
// until the next row is read.
//
// Its methods decode the columns, because pgx's Scan looks up the decoder of each column anew for each
// statement. On an idle machine, that takes longer than all other processing of an event.
type row [][]byte

// state returns the state, and false if the row is an event.
func (r row) state() (raw rawState, ok bool, err error) {
	if r[idColumn] != nil {
		return rawState{}, false, nil
	}
	raw = rawState{logID: string(r[logIDColumn]), snapshot: string(r[snapshotColumn])}
	if r[recoveryColumn] != nil {
		id := string(r[recoveryColumn])
		raw.recovery = &id
	}
	if raw.lsn, err = r.uint64(lsnColumn); err != nil {
		return raw, true, err
	}
	raw.prunedBelow, err = r.uint64(prunedBelowColumn)
	return raw, true, err
}

// size returns the bytes of an event's texts.
func (r row) size() int {
	size := len(r[typeColumn]) + len(r[keyColumn]) + len(r[audienceColumn]) + len(r[dataColumn])
	if r.hasFormer() {
		size += len(r[audienceWasColumn]) + len(r[wasColumn])
	}
	return size
}

// hasFormer reports whether the statement returns the former columns.
func (r row) hasFormer() bool { return len(r) > wasColumn }

// event returns a copy of the event. One that exceeds max bytes as UTF-8, though not in the encoding of the
// database, is oversized. Of one with an audience that is too large, only the type was read.
func (r row) event(max int64) (e event, err error) {
	id, err := r.uint64(idColumn)
	if err != nil {
		return e, err
	}
	if e.xid, err = r.uint64(xidColumn); err != nil {
		return e, err
	}
	at, err := r.uint64(atColumn)
	if err != nil {
		return e, err
	}
	shape, err := r.shape()
	if err != nil {
		return e, err
	}
	e.Event = stream.Event{ID: int64(id), Type: string(r[typeColumn]), At: timestamp(int64(at))}
	switch shape {
	case typeOnlyShape:
		e.Incomplete = stream.AudienceTooLarge
		return e, nil
	case identityShape:
		e.isPartial = true
		return e, nil
	}
	if e.Audience, err = r.audience(audienceColumn); err != nil {
		return e, err
	}
	if r.hasFormer() {
		if e.AudienceWas, err = r.audience(audienceWasColumn); err != nil {
			return e, err
		}
	}
	e.Key = string(r[keyColumn])
	if shape == wholeShape && int64(r.size()) <= max {
		e.Data = append([]byte{}, r[dataColumn]...)
		if r.hasFormer() {
			e.Was = append(e.Was, r[wasColumn]...)
		}
		return e, nil
	}
	e.Incomplete = stream.Oversized
	if len(e.Key) > maxNameBytes {
		e.Key = ""
	}
	return e, nil
}

// The shapes as numbers; see statement.go.
const (
	wholeShape int16 = iota
	oversizedShape
	typeOnlyShape
	identityShape
)

// maxNameBytes is maxName as a number.
const maxNameBytes = 1000

func (r row) shape() (int16, error) {
	if len(r[shapeColumn]) != 2 {
		return 0, fmt.Errorf("read column %d of the log: it has %d bytes, not 2", shapeColumn+1, len(r[shapeColumn]))
	}
	return int16(binary.BigEndian.Uint16(r[shapeColumn])), nil
}

// audience returns the tags in a column, nil if it is null. It leaves out null tags, which match no grant: there
// may be millions of them in few bytes. An audience without tags, which withholds the event, is not nil.
func (r row) audience(column int) ([]string, error) {
	array := r[column]
	if array == nil {
		return nil, nil
	}
	if len(array) < 4 || len(array) < arrayHeader(array) {
		return nil, errAudience
	}
	tags := []string{}
	for rest := array[arrayHeader(array):]; len(rest) > 0; {
		if len(rest) < 4 {
			return nil, errAudience
		}
		size := int(int32(binary.BigEndian.Uint32(rest)))
		rest = rest[4:]
		if size < 0 {
			continue
		}
		if size > len(rest) {
			return nil, errAudience
		}
		tags, rest = append(tags, string(rest[:size])), rest[size:]
	}
	return tags, nil
}

var errAudience = errors.New("read an event's audience: it is no array")

// arrayHeader returns the size of an array's header: the number of dimensions, two more fields, and two for
// each dimension.
func arrayHeader(array []byte) int { return 12 + 8*int(binary.BigEndian.Uint32(array)) }

// uint64 decodes a bigint, an xid8, a pg_lsn or a timestamptz: eight bytes in network order.
func (r row) uint64(column int) (uint64, error) {
	if len(r[column]) != 8 {
		return 0, fmt.Errorf("read column %d of the log: it has %d bytes, not 8", column+1, len(r[column]))
	}
	return binary.BigEndian.Uint64(r[column]), nil
}

// timestamp converts a timestamptz: microseconds since the start of the year 2000, UTC.
func timestamp(micros int64) time.Time {
	const y2k = 946_684_800 // Unix seconds
	return time.Unix(y2k+micros/1_000_000, micros%1_000_000*1000)
}

func sortByID(events []event) {
	slices.SortFunc(events, func(a, b event) int { return cmp.Compare(a.ID, b.ID) })
}

package eventlog

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pgherald/pgherald/stream"
)

// The columns of a statement that begins with eventsSQL.
const (
	logIDColumn = iota
	timelineColumn
	prunedBelowColumn
	snapshotColumn
	idColumn
	xidColumn
	atColumn
	typeColumn
	keyColumn
	audienceColumn
	dataColumn
)

// row is a row of such a statement in Postgres's binary format, valid until the next one is read. It is
// read here and not by pgx's Scan: that looks up how to read each column anew for each statement, which
// takes a machine that was idle longer than all else that is done with an event.
type row [][]byte

// state is the state, if the row is the one that has it and not an event.
func (r row) state() (raw rawState, ok bool, err error) {
	if r[idColumn] != nil {
		return rawState{}, false, nil
	}
	raw = rawState{logID: string(r[logIDColumn]), timeline: string(r[timelineColumn]), snapshot: string(r[snapshotColumn])}
	raw.prunedBelow, err = r.number(prunedBelowColumn)
	return raw, true, err
}

// event is a copy of the event.
func (r row) event(types *pgtype.Map) (e event, err error) {
	id, err := r.number(idColumn)
	if err != nil {
		return e, err
	}
	if e.xid, err = r.number(xidColumn); err != nil {
		return e, err
	}
	at, err := r.number(atColumn)
	if err != nil {
		return e, err
	}
	var audience []*string
	if r[audienceColumn] != nil {
		if err := types.Scan(pgtype.TextArrayOID, pgtype.BinaryFormatCode, r[audienceColumn], &audience); err != nil {
			return e, fmt.Errorf("read an event's audience: %w", err)
		}
	}
	e.Event = stream.Event{
		ID: int64(id), Type: string(r[typeColumn]), Key: string(r[keyColumn]), Audience: tags(audience),
		Data: append([]byte{}, r[dataColumn]...), At: timestamp(int64(at)),
	}
	return e, nil
}

// number is a bigint, an xid8 or a timestamptz: eight bytes, the highest first.
func (r row) number(column int) (uint64, error) {
	if len(r[column]) != 8 {
		return 0, fmt.Errorf("read column %d of the log: it has %d bytes, not 8", column+1, len(r[column]))
	}
	return binary.BigEndian.Uint64(r[column]), nil
}

// timestamp is a timestamptz, which counts microseconds since the beginning of 2000.
func timestamp(micros int64) time.Time {
	const y2k = 946_684_800 // Unix seconds
	return time.Unix(y2k+micros/1_000_000, micros%1_000_000*1000)
}

// tags leaves nulls out: they are nobody. A null array is everyone, one without tags is not.
func tags(audience []*string) []string {
	if audience == nil {
		return nil
	}
	out := make([]string, 0, len(audience))
	for _, tag := range audience {
		if tag != nil {
			out = append(out, *tag)
		}
	}
	return out
}

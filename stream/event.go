package stream

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// The types of the events that the stream itself sends. They are in no log.
const (
	TypeSync      = "sync"
	TypeHeartbeat = "heartbeat"
)

// Event is one row of the log: something that happened.
type Event struct {
	ID       int64           // the row's id in the log
	Type     string          // such as activity_created
	Key      string          // which row it is about; empty if none
	Audience []string        // who may hear it: whoever has one of these as a grant; nil means everyone, empty nobody
	Data     json.RawMessage // valid JSON, as Postgres wrote it
	At       time.Time       // when the row was written, by Postgres's clock
}

// Transaction is what one transaction wrote, in the order written. A large one comes in parts;
// all but the last have More set and no Cursor.
type Transaction struct {
	XID    uint64
	Events []Event
	Cursor Cursor // after its delivery
	More   bool   // the next Transaction holds further events of this one
}

// frame is one event of an encoded transaction: where its bytes are, and what
// filters look at.
type frame struct {
	id       int64
	kind     string
	key      string
	audience []string
	at       int64 // when the row was written; Unix ns

	block, start, end uint32 // where its bytes are: in which block, and from where to where there
	data              uint32 // where its payload begins, in the block
}

// appendFrame appends the event as an SSE frame without an id line. Its envelope is the seed's
// SSEEvent (type, data, timestamp in Unix milliseconds) with the id of the row in the log. It also
// returns where data begins.
func appendFrame(b []byte, e *Event) ([]byte, int) {
	b = append(b, `data: {"id":`...)
	b = strconv.AppendInt(b, e.ID, 10)
	b = append(b, `,"type":`...)
	b = appendJSONString(b, e.Type)
	b = append(b, `,"data":`...)
	data := len(b)
	b = appendLine(b, e.Data)
	b = append(b, `,"timestamp":`...)
	b = strconv.AppendInt(b, e.At.UnixMilli(), 10)
	return append(b, "}\n\n"...), data
}

// appendLine appends JSON with line breaks turned into spaces: between tokens they mean nothing,
// within strings JSON has none, and in an SSE frame they would end the line.
func appendLine(b, data []byte) []byte {
	start := len(b)
	b = append(b, data...)
	for i := start; ; {
		n := bytes.IndexAny(b[i:], "\n\r")
		if n < 0 {
			return b
		}
		i += n
		b[i] = ' '
	}
}

// appendJSONString appends s as a JSON string. Marshalling a string cannot fail.
func appendJSONString(b []byte, s string) []byte {
	quoted, _ := json.Marshal(s)
	return append(b, quoted...)
}

// appendID appends the id line with which a frame begins.
func appendID(b []byte, c Cursor) []byte {
	b = append(b, "id: "...)
	b = append(b, c.String()...)
	return append(b, '\n')
}

// appendControl appends a frame of the stream itself.
func appendControl(b []byte, kind string, data any, now time.Time) []byte {
	b = append(b, `data: {"type":`...)
	b = appendJSONString(b, kind)
	b = append(b, `,"data":`...)
	encoded, _ := json.Marshal(data)
	b = append(b, encoded...)
	b = append(b, `,"timestamp":`...)
	b = strconv.AppendInt(b, now.UnixMilli(), 10)
	return append(b, "}\n\n"...)
}

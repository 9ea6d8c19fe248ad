package pgherald

import (
	"encoding/json"
	"errors"
	"time"
)

// Op says what an event does to the rows of a selection.
type Op string

// The operations of streams of collections.
const (
	OpInsert Op = "insert"
	OpUpdate Op = "update"
	OpDelete Op = "delete"
	OpReset  Op = "reset" // load the rows again
)

// Event is an event of the log. It is one of the stream itself if Sync is not nil or IsHeartbeat is set.
type Event struct {
	ID        int64           `json:"id"` // in the log; 0 for events of the stream itself
	Type      string          `json:"type"`
	Data      json.RawMessage `json:"data"`      // nil if the event is oversized, or its row left the selection
	Timestamp int64           `json:"timestamp"` // Unix milliseconds of the database's clock
	Key       string          `json:"key"`       // of the row; on streams of collections, and if Oversized
	Oversized bool            `json:"oversized"` // too large to be sent: fetch the row, unless Op is OpDelete

	// The other members of streams of collections.
	Collection string   `json:"collection"` // empty if it is not known which ones are meant
	Op         Op       `json:"op"`         // empty if Ops has one for each selection
	Moved      bool     `json:"moved"`      // an update made the row come into the selection or leave it
	Xid        string   `json:"xid"`        // the transaction, as pgherald.xid() gives it to its writer
	Q          []string `json:"q"`          // the named selections that the event concerns
	Ops        map[string]struct {
		Op    Op   `json:"op"`
		Moved bool `json:"moved"`
	} `json:"ops"`

	Raw         json.RawMessage `json:"-"` // the whole envelope, as the server sent it
	Cursor      string          `json:"-"` // to resume after this event; empty within a transaction
	Sync        *Sync           `json:"-"` // the state of the stream; nil for every other event
	IsHeartbeat bool            `json:"-"`
}

// Time returns when the row was written, by the database's clock.
func (e *Event) Time() time.Time { return time.UnixMilli(e.Timestamp) }

// Mode is the state of a stream.
type Mode string

// The modes of Sync. A client ignores those that it does not know.
const (
	ModeLive     Mode = "live"     // events from now on; after ModeStale: the database is read again
	ModeResumed  Mode = "resumed"  // the missed events follow
	ModeReset    Mode = "reset"    // events may be missing: load everything again
	ModeStale    Mode = "stale"    // the server cannot read the database: events come later
	ModeDraining Mode = "draining" // the server shuts down; the stream connects again
	ModeExpired  Mode = "expired"  // the token has expired; the stream connects with another
)

// Sync is the state of a stream, as the server sends it.
type Sync struct {
	Mode       Mode   `json:"mode"`
	Reason     string `json:"reason"`  // of ModeReset
	Since      string `json:"since"`   // of ModeStale: when the server last read the database (RFC 3339)
	Events     *int   `json:"events"`  // of ModeResumed: how many missed events follow, if it is known
	Repeats    bool   `json:"repeats"` // of ModeResumed: the server sends events again, which the stream drops
	Connection string `json:"connection"`
	Expires    int64  `json:"expires"`   // end of the token, in Unix milliseconds
	Heartbeat  int64  `json:"heartbeat"` // the time between two heartbeats, in milliseconds; with the first event of a stream
}

const (
	typeSync      = "sync"
	typeHeartbeat = "heartbeat"
	typeBatch     = "batch"
)

var errNotAnEvent = errors.New("a frame is not an event of pgherald")

// parseEvents returns the event of a frame, or those of a batch. It copies data.
func parseEvents(data []byte) ([]Event, error) {
	e, err := parseEvent(append(json.RawMessage(nil), data...))
	if err != nil {
		return nil, err
	}
	if e.ID != 0 {
		return []Event{e}, nil
	}
	switch e.Type {
	case typeBatch:
		return parseBatch(e.Data)
	case typeHeartbeat:
		e.IsHeartbeat = true
	case typeSync:
		e.Sync = new(Sync)
		if err := json.Unmarshal(e.Data, e.Sync); err != nil {
			return nil, errors.Join(errNotAnEvent, err)
		}
	}
	return []Event{e}, nil
}

func parseEvent(raw json.RawMessage) (Event, error) {
	e := Event{Raw: raw}
	if err := json.Unmarshal(raw, &e); err != nil {
		return Event{}, errors.Join(errNotAnEvent, err)
	}
	if e.Type == "" {
		return Event{}, errNotAnEvent
	}
	return e, nil
}

func parseBatch(data json.RawMessage) ([]Event, error) {
	var batch struct{ Events []json.RawMessage }
	if err := json.Unmarshal(data, &batch); err != nil {
		return nil, errors.Join(errNotAnEvent, err)
	}
	events := make([]Event, 0, len(batch.Events))
	for _, raw := range batch.Events {
		e, err := parseEvent(raw)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

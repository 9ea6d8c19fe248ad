package main

import (
	"encoding/json"

	"github.com/pgherald/pgherald/stream"
)

// envelope is an event as it is on the wire. Raw is all of it.
type envelope struct {
	ID        *int64          `json:"id"` // in the log; absent from what the stream itself sends
	Type      string          `json:"type"`
	Data      json.RawMessage `json:"data"`
	Timestamp int64           `json:"timestamp"`
	Raw       string          `json:"-"`
}

// isControl is true for what the stream itself sends. A table may well have an event type of the
// same name, but that has an id.
func (e *envelope) isControl() bool {
	return e.ID == nil && (e.Type == stream.TypeSync || e.Type == stream.TypeHeartbeat)
}

// startsAnew is true for a sync after which nothing that was sent before comes again.
func startsAnew(e *envelope) bool {
	mode := syncOf(e).Mode
	return mode == stream.ModeLive || mode == stream.ModeReset
}

// syncOf returns what a sync event says, and nothing for another.
func syncOf(e *envelope) stream.Sync {
	var s stream.Sync
	if e.Type != stream.TypeSync || json.Unmarshal(e.Data, &s) != nil {
		return stream.Sync{}
	}
	return s
}

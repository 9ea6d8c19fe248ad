// Package streamtest models both ends of a stream for tests: a Log in memory, and a Client that
// parses the bytes of a stream strictly.
//
// The Client behaves as docs/protocol.md demands. It counts the events of a transaction once an id
// line says that the transaction is complete. When it disconnects, it discards the events after the
// last id line: it will receive them again.
package streamtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Envelope is one event as a client receives it.
type Envelope struct {
	ID        int64           `json:"id"`
	Type      string          `json:"type"`
	Data      json.RawMessage `json:"data"`
	Timestamp int64           `json:"timestamp"`
	Oversized bool            `json:"oversized"`

	// On a stream of collections, or of several selections.
	Collection string   `json:"collection"`
	Q          []string `json:"q"`
	Outcome
	Ops map[string]Outcome `json:"ops"`
	Key string             `json:"key"`
	XID string             `json:"xid"`
}

// Outcome says how an event changes the rows that a client selected.
type Outcome struct {
	Op    string `json:"op"`
	Moved bool   `json:"moved"`
}

// OutcomeOf returns what the event does to the rows of a selection; "" is that of a stream without names.
func (e *Envelope) OutcomeOf(selection string) Outcome {
	switch o, differs := e.Ops[selection]; {
	case differs:
		return o
	case selection == "" || slices.Contains(e.Q, selection) && e.Ops == nil:
		return e.Outcome
	}
	return Outcome{}
}

// Client holds the state of a client. The zero Client has never connected.
type Client struct {
	Cursor       string       // of the last id line
	Transactions [][]Envelope // the complete ones, as received
	Control      []Envelope   // sync and heartbeat events
	Resets       int          // sync events with mode reset
	Batches      int          // batch events; the transactions of a batch count as one

	pending []Envelope
	buf     []byte
}

// Write parses bytes of the stream, which may be cut anywhere. It returns an error for bytes that a
// pgherald server never sends.
func (c *Client) Write(b []byte) (int, error) {
	c.buf = append(c.buf, b...)
	for {
		frame, rest, ok := bytes.Cut(c.buf, []byte("\n\n"))
		if !ok {
			return len(b), nil
		}
		if err := c.parseFrame(string(frame)); err != nil {
			return 0, err
		}
		c.buf = rest
	}
}

// Disconnect discards the events after the last id line, as a client must.
func (c *Client) Disconnect() { c.pending, c.buf = nil, nil }

// Events returns the events of all complete transactions.
func (c *Client) Events() []Envelope {
	var out []Envelope
	for _, t := range c.Transactions {
		out = append(out, t...)
	}
	return out
}

func (c *Client) parseFrame(frame string) error {
	var id, data string
	for line := range strings.SplitSeq(frame, "\n") {
		name, value, ok := strings.Cut(line, ": ")
		switch {
		case ok && name == "id":
			id = value
		case ok && name == "data" && data == "":
			data = value
		case ok && name == "retry":
		default:
			return fmt.Errorf("parse line %q of %q: not an id, data or retry line", line, frame)
		}
	}
	if data == "" {
		return nil
	}
	return c.addEvent(id, data)
}

func (c *Client) addEvent(id, data string) error {
	var e Envelope
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		return fmt.Errorf("decode %q: %w", data, err)
	}
	if id != "" {
		c.Cursor = id
	}
	if e.Type == "sync" || e.Type == "heartbeat" {
		c.Control = append(c.Control, e)
		if bytes.Contains(e.Data, []byte(`"reset"`)) {
			c.Resets++
		}
		return nil
	}
	if e.Type == "batch" {
		return c.addBatch(id, e)
	}
	c.pending = append(c.pending, e)
	if id != "" {
		c.Transactions = append(c.Transactions, c.pending)
		c.pending = nil
	}
	return nil
}

// addBatch adds the events of a batch. The bytes do not show where its transactions begin.
func (c *Client) addBatch(id string, e Envelope) error {
	var data struct{ Events []Envelope }
	if err := json.Unmarshal(e.Data, &data); err != nil || len(data.Events) == 0 {
		return fmt.Errorf("decode batch %s: %w", e.Data, err)
	}
	if last := data.Events[len(data.Events)-1]; last.Timestamp != e.Timestamp || e.ID != 0 {
		return fmt.Errorf("check batch: id %d and timestamp %d, want id 0 and the last event's timestamp %d", e.ID, e.Timestamp, last.Timestamp)
	}
	c.Batches++
	c.pending = append(c.pending, data.Events...)
	if id != "" {
		c.Transactions = append(c.Transactions, c.pending)
		c.pending = nil
	}
	return nil
}

// Package streamtest is a client for tests: it reads the bytes of a stream strictly, and keeps of
// them what a client may believe.
//
// It promises what docs/protocol.md demands of clients: events count once their transaction is
// complete, which an id line says; those of a transaction that was cut off are forgotten when
// the client reconnects, since they will come again.
package streamtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Envelope is one event as the client sees it.
type Envelope struct {
	ID        int64           `json:"id"`
	Type      string          `json:"type"`
	Data      json.RawMessage `json:"data"`
	Timestamp int64           `json:"timestamp"`
}

// Client is what a client knows. The zero Client has never connected.
type Client struct {
	Cursor       string       // the last id line
	Transactions [][]Envelope // complete ones, in the order of their arrival
	Control      []Envelope   // sync and heartbeat events
	Resets       int          // sync events that said reset
	Batches      int          // batch events; the transactions of one count as one

	pending []Envelope
	buf     []byte
}

// Write takes bytes of the stream, cut anywhere. Bytes that are no stream of ours are an error.
func (c *Client) Write(b []byte) (int, error) {
	c.buf = append(c.buf, b...)
	for {
		block, rest, ok := bytes.Cut(c.buf, []byte("\n\n"))
		if !ok {
			return len(b), nil
		}
		if err := c.block(string(block)); err != nil {
			return 0, err
		}
		c.buf = rest
	}
}

// Disconnect forgets what came since the last id line, as a client must.
func (c *Client) Disconnect() { c.pending, c.buf = nil, nil }

// Events are all events of complete transactions.
func (c *Client) Events() []Envelope {
	var out []Envelope
	for _, t := range c.Transactions {
		out = append(out, t...)
	}
	return out
}

func (c *Client) block(block string) error {
	var id, data string
	for line := range strings.SplitSeq(block, "\n") {
		name, value, ok := strings.Cut(line, ": ")
		switch {
		case ok && name == "id":
			id = value
		case ok && name == "data" && data == "":
			data = value
		case ok && name == "retry":
		default:
			return fmt.Errorf("unexpected line %q in %q", line, block)
		}
	}
	if data == "" {
		return nil
	}
	return c.event(id, data)
}

func (c *Client) event(id, data string) error {
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
		return c.batch(id, e)
	}
	c.pending = append(c.pending, e)
	if id != "" {
		c.Transactions = append(c.Transactions, c.pending)
		c.pending = nil
	}
	return nil
}

// batch takes the events of a batch. Its transactions cannot be told apart.
func (c *Client) batch(id string, e Envelope) error {
	var data struct{ Events []Envelope }
	if err := json.Unmarshal(e.Data, &data); err != nil || len(data.Events) == 0 {
		return fmt.Errorf("decode batch %s: %w", e.Data, err)
	}
	if last := data.Events[len(data.Events)-1]; last.Timestamp != e.Timestamp || e.ID != 0 {
		return fmt.Errorf("batch has id %d and timestamp %d, its last event %d", e.ID, e.Timestamp, last.Timestamp)
	}
	c.Batches++
	c.pending = append(c.pending, data.Events...)
	if id != "" {
		c.Transactions = append(c.Transactions, c.pending)
		c.pending = nil
	}
	return nil
}

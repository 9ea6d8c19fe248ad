package judge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Receipt is one event as a client received it.
type Receipt struct {
	ID     int64
	Digest uint64
	At     time.Time
	Group  int // events up to an id line share a group
	Life   int // grows by one with each reset
}

// Reset is a sync event that asks the client to load everything again.
type Reset struct {
	At     time.Time
	Reason string
}

// Client parses the bytes of a stream and keeps what it received. All methods are safe for concurrent use.
type Client struct {
	Name     string
	Filter   Filter
	Batch    bool // a group holds several transactions
	Conflate bool // only the last state of each row is certain to come

	mu       sync.Mutex
	buf      []byte
	pending  []Receipt // since the last id line
	receipts []Receipt
	group    int
	cursor   string
	retry    time.Duration
	synced   time.Time // when the first sync event came
	mode     string    // of the last sync event
	resumes  bool      // the connection began with a cursor, and no sync event has come yet
	resets   []Reset
	stale    []time.Time // when sync events said that the server is cut off
	controls int
	probes   map[string]time.Time
	again    map[int64]bool // ids received, since a sync said that events may come again
	errs     []error
}

type envelope struct {
	ID        int64           `json:"id"`
	Type      string          `json:"type"`
	Data      json.RawMessage `json:"data"`
	Timestamp int64           `json:"timestamp"`
}

// Feed takes bytes of a stream, which may be cut anywhere.
func (c *Client) Feed(b []byte, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf = append(c.buf, b...)
	for {
		frame, rest, ok := bytes.Cut(c.buf, []byte("\n\n"))
		if !ok {
			return
		}
		if err := c.parse(string(frame), at); err != nil {
			c.errs = append(c.errs, err)
		}
		c.buf = append(c.buf[:0], rest...)
	}
}

// Disconnected discards the events after the last id line, as rule 2 demands.
func (c *Client) Disconnected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending, c.buf = nil, nil
	c.resumes = c.cursor != ""
}

func (c *Client) parse(frame string, at time.Time) error {
	var id, data string
	for line := range strings.SplitSeq(frame, "\n") {
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "id":
			id = value
		case "data":
			data += value
		case "retry":
			ms, err := strconv.Atoi(value)
			if err != nil {
				return fmt.Errorf("parse %q: %w", line, err)
			}
			c.retry = time.Duration(ms) * time.Millisecond
		case "", ":": // a comment
		default:
			return fmt.Errorf("parse %q: no line of the protocol", line)
		}
	}
	if data == "" {
		return nil
	}
	var e envelope
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		return fmt.Errorf("decode %q: %w", data, err)
	}
	return c.take(id, e, at)
}

func (c *Client) take(id string, e envelope, at time.Time) error {
	if id != "" {
		c.cursor = id
	}
	switch e.Type {
	case "sync", "heartbeat":
		c.controls++
		return c.control(id, e, at)
	case "batch":
		var data struct{ Events []envelope }
		if err := json.Unmarshal(e.Data, &data); err != nil {
			return fmt.Errorf("decode a batch: %w", err)
		}
		for _, e := range data.Events {
			c.event(e, at)
		}
	default:
		c.event(e, at)
	}
	if id != "" {
		c.receipts, c.pending = append(c.receipts, c.pending...), c.pending[:0]
		c.group++
	}
	return nil
}

func (c *Client) event(e envelope, at time.Time) {
	if c.again[e.ID] {
		return // rule 2
	}
	c.pending = append(c.pending, Receipt{ID: e.ID, Digest: digest(e.Type, e.Data), At: at, Group: c.group, Life: len(c.resets)})
	if e.Type == ProbeType {
		if token := probed(e.Data); token != "" && c.probes[token].IsZero() {
			if c.probes == nil {
				c.probes = make(map[string]time.Time)
			}
			c.probes[token] = at
		}
	}
}

func (c *Client) control(id string, e envelope, at time.Time) error {
	if id != "" && len(c.pending) > 0 {
		return fmt.Errorf("a %s with the cursor %s came between two events of a transaction", e.Type, id)
	}
	if e.Type == "heartbeat" {
		return nil
	}
	var data struct {
		Mode, Reason string
		Repeats      bool
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return fmt.Errorf("decode sync %s: %w", e.Data, err)
	}
	if c.synced.IsZero() {
		c.synced = at
	}
	if c.resumes && data.Mode == "live" {
		return errors.New("a connection that began with a cursor was live at once")
	}
	c.resumes = false
	if data.Repeats {
		c.again = make(map[int64]bool, len(c.receipts))
		for _, r := range c.receipts {
			c.again[r.ID] = true
		}
	}
	switch c.mode = data.Mode; data.Mode {
	case "reset":
		c.pending = nil
		c.resets = append(c.resets, Reset{at, data.Reason})
	case "stale":
		c.stale = append(c.stale, at)
	case "live", "resumed", "draining", "expired":
	default:
		return fmt.Errorf("a sync with the unknown mode %s", e.Data)
	}
	return nil
}

// Cursor returns the value of the last id line.
func (c *Client) Cursor() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cursor
}

// Retry returns the value of the last retry line.
func (c *Client) Retry() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.retry
}

// Synced returns when the first sync event came, or zero.
func (c *Client) Synced() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.synced
}

// Probe returns when the probe with a token came, or zero.
func (c *Client) Probe(token string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.probes[token]
}

// Describe says where the client is.
func (c *Client) Describe() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var last Receipt
	if n := len(c.receipts); n > 0 {
		last = c.receipts[n-1]
	}
	return fmt.Sprintf("%d events, the last %d at %s, %d control events, %d pending, mode %s, %d resets, cursor %s, errors %v",
		len(c.receipts), last.ID, last.At.Format(clock), c.controls, len(c.pending), c.mode, len(c.resets), c.cursor, c.errs)
}

// Count returns the number of events so far.
func (c *Client) Count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.receipts)
}

// Resets returns the resets since a moment.
func (c *Client) Resets(since time.Time) (found []Reset) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.resets {
		if r.At.After(since) {
			found = append(found, r)
		}
	}
	return found
}

// digest identifies the type and data of an event. PostgreSQL's text may have spaces that the stream lacks.
func digest(kind string, data []byte) uint64 {
	h := fnv.New64a()
	h.Write([]byte(kind))
	h.Write([]byte{0})
	var compact bytes.Buffer
	if json.Compact(&compact, data) == nil {
		data = compact.Bytes()
	}
	h.Write(data)
	return h.Sum64()
}

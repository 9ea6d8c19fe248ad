package relay

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"
)

// Progress counts what a relay does. It is safe for concurrent use.
type Progress struct {
	events  atomic.Uint64
	entries atomic.Uint64
	repairs atomic.Uint64
	begun   atomic.Uint64
	endAt   atomic.Int64 // when the log was last read to its end, in Unix nanoseconds
}

// Counts are the figures of a Progress.
type Counts struct {
	Events  uint64    // appended
	Entries uint64    // appended
	Repairs uint64    // how often the store had lost its end
	Begun   uint64    // how often the stream was begun anew
	EndAt   time.Time // when the log was last read to its end; zero before
}

// Counts returns the figures.
func (p *Progress) Counts() Counts {
	c := Counts{Events: p.events.Load(), Entries: p.entries.Load(), Repairs: p.repairs.Load(), Begun: p.begun.Load()}
	if at := p.endAt.Load(); at != 0 {
		c.EndAt = time.Unix(0, at)
	}
	return c
}

// newest returns the entry that will be the last once the batch is written.
func (c *copier) newest() *Entry {
	if len(c.batch) > 0 {
		return &c.batched.last
	}
	return &c.last
}

// put adds an entry to the batch.
func (c *copier) put(e Entry) {
	events := encodeEvents(nil, e.Events)
	e.Totals = c.newest().Totals.with(e.Events, len(events))
	data := e.encodeWith(events)
	c.batch = append(c.batch, data)
	c.batched.bytes += len(data)
	c.batched.events += len(e.Events)
	e.Events = nil
	c.batched.last = e
	if !e.More {
		c.batched.whole, c.batched.cursor = c.number+uint64(len(c.batch)), e.Cursor
	}
}

// flush writes the batch.
func (c *copier) flush(ctx context.Context, info *Info, mark *Mark) error {
	if len(c.batch) == 0 && info == nil && mark == nil {
		return nil
	}
	whole, cursor, last := c.whole, c.cursor, c.last
	if len(c.batch) > 0 {
		last = c.batched.last
		if c.batched.whole != 0 {
			whole, cursor = c.batched.whole, c.batched.cursor
		}
	}
	if mark != nil {
		mark.Whole = whole
	}
	began := time.Now()
	token := c.nextToken()
	err := c.Store.Append(ctx, c.Writer, Last{c.number, c.token}, Appended{Token: token, Entries: c.batch, Whole: whole, Info: info, Mark: mark})
	if err != nil {
		return err
	}
	c.token = token
	c.number, c.last, c.whole, c.cursor = c.number+uint64(len(c.batch)), last, whole, cursor
	c.Progress.entries.Add(uint64(len(c.batch)))
	c.Progress.events.Add(uint64(c.batched.events))
	if mark != nil {
		c.Progress.endAt.Store(began.UnixNano())
	}
	c.untrimmed += int64(c.batched.bytes)
	c.batch, c.batched = c.batch[:0], batched{}
	return nil
}

// nextToken returns a token for the next write.
func (c *copier) nextToken() string {
	c.writes++
	return c.session + "." + strconv.FormatUint(c.writes, 36)
}

// Package page gathers the frames of a stream into one JSON answer, for clients that do not open a stream:
//
//	{"events":[ENVELOPE,…],"cursor":"…","more":true}
//	{"events":[ENVELOPE,…],"cursor":"…","snapshot":"8811:8813:8811","more":false}
//
// # Promises
//
//   - The envelopes are the bytes of the stream's data lines.
//   - A page has whole transactions. It ends before the one with which it would have more events or bytes than it may.
//     If that is the first one, the page has it alone, however large it is.
//   - A page keeps at most its limit of bytes in memory, of which all but a few are counted in a Budget. It never waits
//     for the budget: if nothing is left of it, the page ends earlier. A transaction that alone is too large is written to
//     the client as it comes.
package page

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pgherald/pgherald/stream"
)

// ErrFull says that the page ends before the event that was added.
var ErrFull = errors.New("the page is full")

// free is the number of bytes of a page that need no reservation.
const free = 16 << 10

// Options limit a page. All fields are required.
type Options struct {
	Max    int // events
	Bytes  int // of the envelopes
	Budget *Budget
	// Begin begins the answer before the page is complete, and returns the function that writes parts of it.
	Begin func() (write func(...[]byte) error, err error)
}

// Page gathers events. Release must be called.
type Page struct {
	opts     Options
	body     []byte // the beginning of the answer
	events   int    // in body
	reserved int64
	whole    mark // after the last whole transaction
	id       string
	split    []byte                // the beginning of a frame whose rest is in the next buffer
	write    func(...[]byte) error // if the page is written through, otherwise nil
}

// mark is a position in the body after a transaction.
type mark struct {
	length, events int
	cursor         string
}

const begin = `{"events":[`

// New returns an empty page.
func New(opts Options) *Page {
	return &Page{opts: opts, body: []byte(begin), whole: mark{length: len(begin)}}
}

// Release gives back what the page has reserved, and forgets its bytes.
func (p *Page) Release() {
	p.opts.Budget.release(p.reserved)
	p.reserved, p.body = 0, nil
}

// Events returns the number of events in whole transactions.
func (p *Page) Events() int { return p.whole.events }

// HasBegun reports whether the answer has begun, because a transaction is too large for the page.
func (p *Page) HasBegun() bool { return p.write != nil }

// Add adds the frames of a subscription, which the caller may change then. It returns ErrFull if the page ends before some
// of them.
func (p *Page) Add(bufs [][]byte) error {
	for _, b := range bufs {
		for len(b) > 0 {
			var err error
			if b, err = p.addLine(b); err != nil {
				return err
			}
		}
	}
	return nil
}

// addLine adds the first line of b, an id or a data line, and returns the rest without the empty line after it.
func (p *Page) addLine(b []byte) (rest []byte, err error) {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		p.split = append(p.split, b...)
		return nil, nil
	}
	line, rest := b[:end], b[end+1:]
	if len(p.split) > 0 {
		line, p.split = append(p.split, line...), nil
	}
	if len(line) == 0 {
		return rest, nil
	}
	if id, ok := bytes.CutPrefix(line, []byte("id: ")); ok {
		p.id = string(id)
		return rest, nil
	}
	envelope, ok := bytes.CutPrefix(line, []byte("data: "))
	if !ok {
		return nil, fmt.Errorf("gather events: unexpected line %.20q", line)
	}
	id := p.id
	p.id = ""
	return rest, p.addEvent(envelope, id)
}

// addEvent adds an event. If it is the last one of its transaction, id is the cursor.
func (p *Page) addEvent(envelope []byte, id string) error {
	if p.write != nil {
		return p.writeThrough(envelope, id)
	}
	hasWhole := p.whole.events > 0
	if hasWhole && p.events >= p.opts.Max {
		return ErrFull
	}
	if !p.reserve(len(envelope) + 1) {
		if hasWhole {
			return ErrFull
		}
		write, err := p.opts.Begin()
		if err != nil {
			return err
		}
		p.write = write
		if err := write(p.body); err != nil {
			return err
		}
		p.Release()
		return p.writeThrough(envelope, id)
	}
	if p.events > 0 {
		p.body = append(p.body, ',')
	}
	p.body = append(p.body, envelope...)
	p.events++
	if id != "" {
		p.whole = mark{length: len(p.body), events: p.events, cursor: id}
	}
	return nil
}

// writeThrough writes an event of a transaction that is too large. With its last one, the page ends.
func (p *Page) writeThrough(envelope []byte, id string) error {
	if p.whole.cursor != "" {
		return ErrFull
	}
	comma := []byte(",")
	if p.events == 0 {
		comma = nil
	}
	p.events++
	if id != "" {
		p.whole = mark{events: p.events, cursor: id}
	}
	return p.write(comma, envelope)
}

// reserve makes room for n more bytes, and returns false if the page may have none.
func (p *Page) reserve(n int) bool {
	size := len(p.body) + n
	if size > p.opts.Bytes {
		return false
	}
	if size <= cap(p.body) {
		return true
	}
	for _, larger := range []int{min(max(size, 2*cap(p.body)), p.opts.Bytes), size} {
		need := max(0, int64(larger)-free-p.reserved)
		if p.opts.Budget.reserve(need) {
			p.reserved += need
			p.body = append(make([]byte, 0, larger), p.body...)
			return true
		}
	}
	return false
}

// Cut returns the page up to the last whole transaction, with the cursor after it. More events may follow.
func (p *Page) Cut() [][]byte { return p.finish(p.whole.cursor, "", true, nil) }

// Finish returns the page up to the last whole transaction, with another cursor: one after it, and before every event that
// the page does not have. If no more events follow, the page also says which transactions are in the cursor.
func (p *Page) Finish(c stream.Cursor, more bool, sync *stream.Sync) [][]byte {
	if more {
		return p.finish(c.String(), "", more, sync)
	}
	return p.finish(c.String(), c.Snapshot(), more, sync)
}

// finish returns what is left to write: the page, or its end if the rest was written through.
func (p *Page) finish(cursor, snapshot string, more bool, sync *stream.Sync) [][]byte {
	end := append([]byte(`],"cursor":`), strconv.Quote(cursor)...)
	if snapshot != "" {
		end = append(end, `,"snapshot":`...)
		end = strconv.AppendQuote(end, snapshot)
	}
	end = append(end, `,"more":`...)
	end = strconv.AppendBool(end, more)
	if sync != nil {
		end = append(end, `,"sync":`...)
		encoded, _ := json.Marshal(sync) // of strings and numbers
		end = append(end, encoded...)
	}
	end = append(end, "}\n"...)
	if p.write != nil {
		return [][]byte{end}
	}
	return [][]byte{p.body[:p.whole.length], end}
}

// Accepts reports whether the values of the header Accept ask for a page: for JSON, and for no stream.
func Accepts(header []string) bool {
	isJSON := false
	for value := range strings.SplitSeq(strings.Join(header, ","), ",") {
		mediaType, parameters, _ := strings.Cut(value, ";")
		if isExcluded(parameters) {
			continue
		}
		switch strings.ToLower(strings.TrimSpace(mediaType)) {
		case "text/event-stream":
			return false
		case "application/json":
			isJSON = true
		}
	}
	return isJSON
}

// isExcluded reports whether the parameters of a media type say q=0.
func isExcluded(parameters string) bool {
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		q, err := strconv.ParseFloat(value, 64)
		if strings.EqualFold(name, "q") && err == nil && q == 0 {
			return true
		}
	}
	return false
}

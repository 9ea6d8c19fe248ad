package tail

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/tmaxmax/go-sse"

	"github.com/pgherald/pgherald/stream"
)

// errEventTooLong ends the tail, as the event would arrive again after every reconnect.
var errEventTooLong = errors.New("read an event: it is longer than 128 MiB")

// frame is one block of the stream, up to its blank line.
type frame struct {
	cursor string // the last id line of this connection, up to this frame; empty if there was none
	data   string
}

// readFrames calls yield with each complete frame, and retry with the delay of each retry line. It
// returns the first error of reading or of yield, and io.EOF at the end of the stream. An event
// of more than limit bytes is an error. No other function knows the SSE library.
func readFrames(r io.Reader, limit int, retry func(time.Duration), yield func(frame) error) error {
	lines := &lineReader{r: bufio.NewReaderSize(r, 64<<10), limit: limit, retry: retry}
	for event, err := range sse.Read(lines, &sse.ReadConfig{MaxEventSize: limit}) {
		if errors.Is(err, bufio.ErrTooLong) {
			return errEventTooLong
		}
		if err != nil {
			return err
		}
		if err := yield(frame{cursor: event.LastEventID, data: event.Data}); err != nil {
			return err
		}
	}
	return io.EOF
}

// lineReader returns whole lines. The library scans all that it has of an event whenever more
// arrives: an event of 64 MiB took 130 s in the pieces of the network, and takes 2 s by the line.
// lineReader also parses the retry lines, which sse.Read does not pass on.
type lineReader struct {
	r     *bufio.Reader
	limit int // of a line, in bytes
	retry func(time.Duration)
	line  []byte // returned by the next Read
	err   error  // returned after line
	buf   []byte
}

// Read implements io.Reader.
func (l *lineReader) Read(p []byte) (int, error) {
	if len(l.line) == 0 {
		if l.err != nil {
			return 0, l.err
		}
		l.next()
	}
	n := copy(p, l.line)
	l.line = l.line[n:]
	if n == 0 {
		return 0, l.err
	}
	return n, nil
}

func (l *lineReader) next() {
	if cap(l.buf) > 1<<20 {
		l.buf = nil // do not hold the memory of a large event
	}
	l.buf = l.buf[:0]
	for l.err == nil {
		part, err := l.r.ReadSlice('\n')
		l.buf = append(l.buf, part...)
		if len(l.buf) > l.limit {
			l.err = errEventTooLong
			return
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			l.err = err
			break
		}
	}
	l.line = l.buf
	l.parseRetry()
}

func (l *lineReader) parseRetry() {
	value, ok := bytes.CutPrefix(bytes.TrimRight(l.line, "\r\n"), []byte("retry:"))
	if !ok || l.err != nil {
		return
	}
	ms, err := strconv.ParseUint(string(bytes.TrimPrefix(value, []byte(" "))), 10, 32)
	if err == nil {
		l.retry(time.Duration(ms) * time.Millisecond)
	}
}

// envelope is the JSON of an event on the wire. Raw holds the whole text.
type envelope struct {
	ID        *int64          `json:"id"` // in the log; absent from the stream's own events
	Type      string          `json:"type"`
	Data      json.RawMessage `json:"data"`
	Timestamp int64           `json:"timestamp"` // Unix ms
	Raw       string          `json:"-"`
}

// isControl reports whether the stream itself made the event. An event of the log may have the same
// type, but has an id.
func (e *envelope) isControl() bool {
	return e.ID == nil && (e.Type == stream.TypeSync || e.Type == stream.TypeHeartbeat)
}

// startsOver reports whether e is a sync event after which the server sends no earlier event again.
func startsOver(e *envelope) bool {
	mode := syncOf(e).Mode
	return mode == stream.ModeLive || mode == stream.ModeReset
}

// syncOf returns the data of a sync event, and the zero value for any other event.
func syncOf(e *envelope) stream.Sync {
	var s stream.Sync
	if e.Type != stream.TypeSync || json.Unmarshal(e.Data, &s) != nil {
		return stream.Sync{}
	}
	return s
}

package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/tmaxmax/go-sse"
)

// errEventTooLong would come again after every reconnect, so it ends the tail.
var errEventTooLong = errors.New("read event: it is longer than this command can take")

// tailFrame is what a stream holds between two blank lines.
type tailFrame struct {
	cursor string // the last id of this connection up to here; empty if there was none
	data   string
}

// readFrames calls yield with each frame, and retry with each reconnection delay that the server
// asks for. No event may be longer than limit bytes. It returns the first error of either reading or yield, and io.EOF at the end of the
// stream; a frame that was not complete by then is dropped.
//
// This is the only place that knows the SSE library.
func readFrames(r io.Reader, limit int, retry func(time.Duration), yield func(tailFrame) error) error {
	lines := &lineReader{r: bufio.NewReaderSize(r, 64<<10), limit: limit, retry: retry}
	for event, err := range sse.Read(lines, &sse.ReadConfig{MaxEventSize: limit}) {
		if errors.Is(err, bufio.ErrTooLong) {
			return errEventTooLong
		}
		if err != nil {
			return err
		}
		if err := yield(tailFrame{cursor: event.LastEventID, data: event.Data}); err != nil {
			return err
		}
	}
	return io.EOF
}

// lineReader hands out whole lines. The library looks at all it has of an event whenever a
// little more arrives: an event of 64 MiB, read as the network delivers it, took 130 s; read by
// the line, 2 s. It also sees the retry lines, which sse.Read keeps to itself.
type lineReader struct {
	r     *bufio.Reader
	limit int
	retry func(time.Duration)
	line  []byte // what Read returns next
	err   error  // what it returns after that
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
		l.buf = nil // one large event must not cost memory for ever
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
	l.sniffRetry()
}

func (l *lineReader) sniffRetry() {
	value, ok := bytes.CutPrefix(bytes.TrimRight(l.line, "\r\n"), []byte("retry:"))
	if !ok || l.err != nil {
		return
	}
	ms, err := strconv.ParseUint(string(bytes.TrimPrefix(value, []byte(" "))), 10, 32)
	if err == nil {
		l.retry(time.Duration(ms) * time.Millisecond)
	}
}

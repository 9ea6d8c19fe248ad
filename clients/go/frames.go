package pgherald

import (
	"bufio"
	"bytes"
	"io"
	"strconv"
	"time"
)

// frame is one block of an event stream, up to its blank line.
type frame struct {
	id   string // of its last id line; empty without one
	data []byte // valid until the next frame is read
}

// frameReader parses the format of event streams as the HTML standard has it. Its time is linear in the bytes, in
// whatever pieces they arrive.
type frameReader struct {
	r     *bufio.Reader
	limit int                 // of the lines of a frame, in bytes
	retry func(time.Duration) // receives the delay of each retry line

	line    []byte
	data    []byte
	id      string
	size    int  // of the present frame
	begun   bool // a line was read: only the first can begin with a byte order mark
	skipsLF bool // the last line ended with CR: an LF that follows belongs to it
}

func newFrameReader(r io.Reader, limit int, retry func(time.Duration)) *frameReader {
	return &frameReader{r: bufio.NewReaderSize(r, 64<<10), limit: limit, retry: retry}
}

// next returns the next complete frame that has data or an id. It returns io.EOF at the end of the stream, and drops
// the frame that the end has cut.
func (f *frameReader) next() (frame, error) {
	f.id, f.size = "", 0
	f.data = shrink(f.data)
	for {
		if err := f.readLine(); err != nil {
			return frame{}, err
		}
		if len(f.line) > 0 {
			f.field()
			continue
		}
		if data, ok := bytes.CutSuffix(f.data, []byte("\n")); ok || f.id != "" {
			return frame{id: f.id, data: data}, nil
		}
		f.size = 0
	}
}

// shrink empties a buffer, and drops the memory of a large event.
func shrink(b []byte) []byte {
	if cap(b) > 1<<20 {
		return nil
	}
	return b[:0]
}

// readLine reads the next line into f.line, without its end.
func (f *frameReader) readLine() error {
	f.line = shrink(f.line)
	for {
		if _, err := f.r.Peek(1); err != nil {
			return err
		}
		chunk, _ := f.r.Peek(f.r.Buffered())
		if f.skipsLF {
			f.skipsLF = false
			if chunk[0] == '\n' {
				_, _ = f.r.Discard(1)
				continue
			}
		}
		end := bytes.IndexAny(chunk, "\r\n")
		part := chunk
		if end >= 0 {
			part = chunk[:end]
		}
		if f.size += len(part); f.size > f.limit {
			return ErrEventTooLong
		}
		f.line = append(f.line, part...)
		if end < 0 {
			_, _ = f.r.Discard(len(chunk))
			continue
		}
		f.skipsLF = chunk[end] == '\r'
		_, _ = f.r.Discard(end + 1)
		f.cutByteOrderMark()
		return nil
	}
}

func (f *frameReader) cutByteOrderMark() {
	if !f.begun {
		f.begun = true
		f.line = bytes.TrimPrefix(f.line, []byte("\ufeff"))
	}
}

// field applies a line that is not empty. Comments and unknown fields change nothing.
func (f *frameReader) field() {
	name, value, _ := bytes.Cut(f.line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "data":
		f.data = append(append(f.data, value...), '\n')
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			f.id = string(value)
		}
	case "retry":
		if ms, err := strconv.ParseUint(string(value), 10, 32); err == nil {
			f.retry(time.Duration(ms) * time.Millisecond)
		}
	}
}

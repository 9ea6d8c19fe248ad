package e2e

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// TestFloodsAreDecoded sends a few frames of each flood over HTTP/2 and reads the answers. They show that the server decodes
// the frames: a flood that ends the connection by an error of its own would attack nothing.
func TestFloodsAreDecoded(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	n := newNode(pgtest.NewDatabase(t), func(c *server.Config) { c.Listen.H2C = true })
	t.Cleanup(func() { n.end(t) })
	startNodes(ctx, t, n)
	addr := n.at("")[len("http://"):]
	parts := newSmallParts(t)
	defer parts.wait()
	for name, c := range decodedFloods() {
		parts.run(name, func(t *testing.T) {
			if got := exchange(ctx, t, addr, c); !strings.Contains(got, c.want) {
				t.Errorf("the server sent %q and closed the connection; want %q", got, c.want)
			}
		})
	}
}

// decodedFlood is the beginning of a flood, and what the server sends because it decoded that.
type decodedFlood struct {
	steps []func(*flood) error
	want  string
}

// isOpen is the answer to the PING that exchange sends last: all frames before it were accepted.
const isOpen = "PING finished"

func decodedFloods() map[string]decodedFlood {
	tableSize := func(f *flood) error {
		return f.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 4096})
	}
	endHeaders := func(f *flood) error { return f.WriteContinuation(1, true, nil) }
	return map[string]decodedFlood{
		"settings": {times(3, tableSize), isOpen},
		"settings, invalid": {times(1, func(f *flood) error {
			return f.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 2})
		}), "GOAWAY PROTOCOL_ERROR"},
		"pings":                    {times(2, func(f *flood) error { return f.WritePing(false, [8]byte{'a'}) }), "PING a\nPING a\n" + isOpen},
		"window updates":           {times(3, func(f *flood) error { return f.WriteWindowUpdate(0, 1) }), isOpen},
		"window overflow":          {times(1, func(f *flood) error { return f.WriteWindowUpdate(0, 1<<31-1) }), "GOAWAY FLOW_CONTROL_ERROR"},
		"unknown frames":           {times(3, func(f *flood) error { return f.WriteRawFrame(0xfe, 0xff, 0, repeat("x", 1000)) }), isOpen},
		"rapid reset":              {times(3, rapidReset), isOpen},
		"made the server reset":    {times(2, madeReset), "RST_STREAM 3 PROTOCOL_ERROR"},
		"headers without end":      {[]func(*flood) error{(*flood).openHeaders, endHeaders}, "HEADERS 1 200"},
		"continuations":            {[]func(*flood) error{(*flood).openHeaders, (*flood).continueHeaders, endHeaders}, "HEADERS 1 200"},
		"empty continuations":      {append(append(times(1, (*flood).openHeaders), times(9, emptyContinuation)...), endHeaders), "HEADERS 1 200"},
		"continuations, too many":  {append(times(1, (*flood).openHeaders), times(40, (*flood).continueHeaders)...), "GOAWAY"},
		"large headers":            {times(1, (*flood).largeHeaders), "HEADERS 1 431"},
		"headers from the table":   {times(1, (*flood).tableHeaders), "HEADERS 1 431"},
		"empty data":               {append(times(1, (*flood).openBody), times(3, func(f *flood) error { return f.WriteData(1, false, nil) })...), isOpen},
		"padded data":              {append(times(1, (*flood).openBody), times(300, paddedData)...), "WINDOW_UPDATE"},
		"withheld bodies of GET":   {times(1, func(f *flood) error { return f.open("GET", "/api/events", false) }), "HEADERS 1 4"},
		"streams, a closed window": {[]func(*flood) error{(*flood).closeWindow, func(f *flood) error { return f.open("GET", "/api/events", true) }}, "HEADERS 1 200"},
	}
}

func times(n int, step func(*flood) error) (steps []func(*flood) error) {
	for range n {
		steps = append(steps, step)
	}
	return steps
}

// exchange makes the steps and a PING, and reads until the server has sent what is wanted or has closed the connection.
func exchange(ctx context.Context, t *testing.T, addr string, c decodedFlood) string {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	f, err := newFlood(conn.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for _, step := range append(c.steps, func(f *flood) error { return f.WritePing(false, [8]byte([]byte("finished"))) }) {
		if step(f) != nil {
			break // the server has closed the connection, and says why
		}
	}
	var sent strings.Builder
	for !strings.Contains(sent.String(), c.want) {
		frame, err := f.ReadFrame()
		if err != nil {
			break
		}
		fmt.Fprintln(&sent, describeFrame(frame))
	}
	return sent.String()
}

func describeFrame(frame http2.Frame) string {
	switch frame := frame.(type) {
	case *http2.SettingsFrame:
		if frame.IsAck() {
			return "SETTINGS ack"
		}
	case *http2.PingFrame:
		return "PING " + strings.TrimRight(string(frame.Data[:]), "\x00")
	case *http2.RSTStreamFrame:
		return fmt.Sprintf("RST_STREAM %d %v", frame.StreamID, frame.ErrCode)
	case *http2.GoAwayFrame:
		return fmt.Sprintf("GOAWAY %v", frame.ErrCode)
	case *http2.MetaHeadersFrame:
		return fmt.Sprintf("HEADERS %d %s", frame.StreamID, frame.PseudoValue("status"))
	}
	return frame.Header().Type.String()
}

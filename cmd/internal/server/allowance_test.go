package server

import (
	"errors"
	"io"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/pgherald/pgherald/api/admission"
)

// floodsOfFrames are frames without effect, after a stream that a client has opened and closed (1), and one without the end of its body (3).
func floodsOfFrames() map[string]func(*frameClient) error {
	raw := func(kind http2.FrameType, flags http2.Flags, stream uint32, payload string) func(*frameClient) error {
		return func(c *frameClient) error { return c.WriteRawFrame(kind, flags, stream, []byte(payload)) }
	}
	return map[string]func(*frameClient) error{
		"PRIORITY":           func(c *frameClient) error { return c.WritePriority(5, http2.PriorityParam{StreamDep: 3}) },
		"PING":               func(c *frameClient) error { return c.WritePing(false, [8]byte{}) },
		"PING, acknowledged": func(c *frameClient) error { return c.WritePing(true, [8]byte{}) },
		"SETTINGS":           func(c *frameClient) error { return c.WriteSettings() },
		"SETTINGS of a table": func(c *frameClient) error {
			return c.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 4096})
		},
		"SETTINGS, unknown":                  func(c *frameClient) error { return c.WriteSettings(http2.Setting{ID: 99, Val: 1}) },
		"WINDOW_UPDATE":                      func(c *frameClient) error { return c.WriteWindowUpdate(0, 1) },
		"WINDOW_UPDATE of a stream":          func(c *frameClient) error { return c.WriteWindowUpdate(3, 1) },
		"WINDOW_UPDATE of a closed stream":   func(c *frameClient) error { return c.WriteWindowUpdate(1, 1) },
		"RST_STREAM of a closed stream":      func(c *frameClient) error { return c.WriteRSTStream(1, http2.ErrCodeCancel) },
		"GOAWAY":                             func(c *frameClient) error { return c.WriteGoAway(0, http2.ErrCodeNo, nil) },
		"empty DATA":                         func(c *frameClient) error { return c.WriteData(3, false, nil) },
		"padded DATA":                        func(c *frameClient) error { return c.WriteDataPadded(3, false, nil, make([]byte, 100)) },
		"DATA of a closed stream":            func(c *frameClient) error { return c.WriteData(1, false, []byte("x")) },
		"PRIORITY_UPDATE":                    raw(0x10, 0, 0, "\x00\x00\x00\x03u=1"),
		"ALTSVC":                             raw(0xa, 0, 3, "\x00\x00"),
		"unknown":                            raw(0xfe, 0xff, 0, ""),
		"unknown, of 16 KiB":                 raw(0xfe, 0xff, 7, strings.Repeat("x", http2Frame)),
		"HEADERS with an unknown pseudo one": func(c *frameClient) error { return c.open("GET", "/", true, hpack.HeaderField{Name: ":x", Value: "y"}) },
		"HEADERS with an unknown pseudo one and a cookie": func(c *frameClient) error {
			return c.open("GET", "/", true, largeCookie(), hpack.HeaderField{Name: ":x", Value: "y"})
		},
		"unknown, between requests with cookies": func(c *frameClient) error {
			return errors.Join(c.open("GET", "/", true, largeCookie()), unknownFrames(c, 3))
		},
		// The table of headers makes 60 KiB of 60 bytes.
		"unknown, between requests with the same crumbs": func(c *frameClient) error {
			crumb := hpack.HeaderField{Name: "cookie", Value: strings.Repeat("~", 4000)}
			return errors.Join(c.open("GET", "/", true, slices.Repeat([]hpack.HeaderField{crumb}, 15)...), unknownFrames(c, 3))
		},
	}
}

// largeCookie is more than the table of headers can hold, and so are the crumbs of many browsers.
func largeCookie() hpack.HeaderField {
	return hpack.HeaderField{Name: "cookie", Value: strings.Repeat("~", 12<<10)}
}

func unknownFrames(c *frameClient, n int) (err error) {
	for range n {
		err = errors.Join(err, c.WriteRawFrame(0xfe, 0, 0, make([]byte, http2Frame)))
	}
	return err
}

// A connection ends whose client sends frames that have no effect, and reads the answers.
func TestFloodsOfFramesAreEnded(t *testing.T) {
	for name, frame := range floodsOfFrames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSocketServer(t, socketLimits{})
			c := s.dialFrames("127.0.0.1")
			if err := errors.Join(c.open("GET", "/", true), c.open("POST", "/hold", false)); err != nil {
				t.Fatal(err)
			}
			c.awaitFrame(http2.FrameSettings, http2.FlagSettingsAck)
			answers := make(chan struct{})
			go func() {
				defer close(answers)
				_, _ = io.Copy(io.Discard, c.Conn) // until the server closes the connection
			}()
			var err error
			for sent := 0; err == nil && sent < 64<<20; sent += 9 {
				err = frame(c)
			}
			if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("the connection is still open: %v", err)
			}
			<-answers
			if got := s.count("sockets_flooded_total"); got != "1" {
				t.Errorf("%s floods were counted", got)
			}
			if !s.dial("127.0.0.1").works() {
				t.Error("the next client is not served")
			}
		})
	}
}

// A client may send frames about what it receives: here two for each small frame of a stream.
func TestUpdatesOfWindowsAreNoFlood(t *testing.T) {
	s := newSocketServer(t, socketLimits{})
	c := s.dialFrames("127.0.0.1")
	if err := c.open("GET", "/frames", true); err != nil {
		t.Fatal(err)
	}
	sent := 0
	for sent < 2*maxUnearned {
		n := c.awaitFrame(http2.FrameData, 0).Header().Length
		if n == 0 {
			t.Fatalf("the stream ended after updates of %d bytes", sent)
		}
		if err := errors.Join(c.WriteWindowUpdate(0, n), c.WriteWindowUpdate(1, n)); err != nil {
			t.Fatalf("after updates of %d bytes: %v", sent, err)
		}
		sent += 2 * 13
	}
	if !c.isServed() {
		t.Error("the connection has ended")
	}
}

// Requests and bodies account for their bytes, however many come on a connection.
func TestRequestsAreNoFlood(t *testing.T) {
	s := newSocketServer(t, socketLimits{})
	c := s.dialFrames("127.0.0.1")
	cookie := hpack.HeaderField{Name: "cookie", Value: strings.Repeat("c", 3<<10), Sensitive: true}
	for range 100 {
		if err := c.open("GET", "/", true, cookie); err != nil {
			t.Fatal(err)
		}
		c.awaitFrame(http2.FrameHeaders, 0)
	}
	for range 10 {
		stream := c.stream
		err := c.open("POST", "/read", false)
		for range 1000 {
			err = errors.Join(err, c.WriteData(stream, false, []byte(strings.Repeat("d", 60))))
		}
		if err = errors.Join(err, c.WriteData(stream, true, nil)); err != nil {
			t.Fatal(err)
		}
		c.awaitFrame(http2.FrameHeaders, 0)
	}
	if !c.isServed() {
		t.Error("the connection has ended")
	}
}

// A proxy has the requests of many clients, and refused ones among them.
func TestProxiesMayFlood(t *testing.T) {
	proxies := admission.Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32")}}
	s := newSocketServer(t, socketLimits{proxies: proxies})
	c := s.dialFrames("127.0.0.9")
	for sent := 0; sent < 2*maxUnearned; sent += 1009 {
		if err := c.WriteRawFrame(0xfe, 0, 0, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	if !c.isServed() {
		t.Error("the connection has ended")
	}
}

// A part of a request is not answered when the time for headers ends, but closed: net/http would answer a 400.
func TestPartsOfRequestsAreNotAnswered(t *testing.T) {
	s := newSocketServerWith(t, socketLimits{}, memoryWithoutCgroup, func(h *httpServer) {
		for _, tier := range h.tiers {
			tier.ReadHeaderTimeout = 20 * time.Millisecond
		}
	})
	for _, part := range []string{
		"G", "GET /api/eve", "GET /api/events HTTP/1.1", "GET /api/events HTTP/1.1\r\nHo", "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/ev", "PRI * HT", "PRI * HTTP/2.0\r\n\r\nS",
	} {
		c := s.dial("127.0.0.1")
		_, _ = io.WriteString(c, part) // the time may have passed
		if answer, err := io.ReadAll(c.in); len(answer) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q is answered with %q, %v", part, answer, err)
		}
	}
}

// The deadline of a body is the handler's: its answer arrives.
func TestDeadlinesOfBodiesAreAnswered(t *testing.T) {
	s := newSocketServer(t, socketLimits{})
	c := s.dial("127.0.0.1")
	if _, err := io.WriteString(c, "POST /late HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(c.in, nil)
	if err != nil || response.StatusCode != http.StatusRequestTimeout {
		t.Errorf("answered with %v, %v", response, err)
	}
}

// A client that waits earns, but no more than it owes.
func TestAllowance(t *testing.T) {
	a := allowance{refilled: time.Now()}
	if got := a.take(freeUnearned); got != freeUnearned {
		t.Errorf("%d bytes are unearned", got)
	}
	a.earn(freeUnearned + 5)
	if got := a.take(7); got != 7 {
		t.Errorf("%d bytes are unearned after more was earned than sent, want 7", got)
	}
	a.take(maxUnearned)
	a.refilled = time.Now().Add(-time.Hour)
	if got := a.take(1); got != 0 {
		t.Errorf("%d bytes are unearned after an hour, want 0", got)
	}
}

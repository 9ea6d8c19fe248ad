package server

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Headers that the table cannot hold come in full with each request.
func TestLargeHeadersAreNoFlood(t *testing.T) {
	token := hpack.HeaderField{Name: "authorization", Value: "Bearer " + strings.Repeat("~", 30<<10), Sensitive: true}
	for name, field := range map[string]hpack.HeaderField{"cookie": largeCookie(), "token": token} {
		t.Run(name, func(t *testing.T) {
			c := newSocketServer(t, socketLimits{}).dialFrames("127.0.0.1")
			for range 60 {
				if err := c.open("GET", "/", true, field); err != nil {
					t.Fatal(err)
				}
				c.awaitFrame(http2.FrameHeaders, 0)
			}
			if !c.isServed() {
				t.Error("the connection has ended")
			}
		})
	}
}

// What a client must send for headers is earned, not what they are once the table has multiplied them.
func TestHeadersEarn(t *testing.T) {
	value := func(kib int) string { return strings.Repeat("v", kib<<10) }
	for _, test := range []struct {
		name     string
		path     string
		header   http.Header
		from, to int // KiB
	}{
		{"small", "/", http.Header{"Accept": {"*/*"}}, 4, 4},
		{"a cookie", "/", http.Header{"Cookie": {value(12)}}, 12, 13},
		{"many cookies", "/", http.Header{"Cookie": {value(60)}}, 16, 16},
		{"a token", "/", http.Header{"Authorization": {value(30)}}, 34, 35},
		{"a long path", "/" + value(10), nil, 14, 15},
		{"fields of the table", "/", http.Header{"A": {value(3), value(3), value(3), value(3), value(3), value(3)}}, 16, 16},
	} {
		r := &http.Request{RequestURI: test.path, Header: test.header}
		if got := headersEarn(r); got < test.from<<10 || got > test.to<<10 {
			t.Errorf("%s: %d bytes are earned, want %d to %d KiB", test.name, got, test.from, test.to)
		}
	}
}

// net/http reads a part of a body that no handler reads, and then the next request.
func TestUnreadBodiesOfHTTP1AreNoFlood(t *testing.T) {
	s := newSocketServer(t, socketLimits{})
	c := s.dial("127.0.0.1")
	body := strings.Repeat("b", 250<<10)
	for i := range 5 {
		if _, err := io.WriteString(c, "POST /unread HTTP/1.1\r\nHost: localhost\r\nContent-Length: 256000\r\n\r\n"+body); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		response, err := http.ReadResponse(c.in, nil)
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		_ = response.Body.Close()
	}
}

// A handler that refuses a request does not read its body, which comes nevertheless.
func TestUnreadBodiesOfHTTP2AreNoFlood(t *testing.T) {
	c := newSocketServer(t, socketLimits{}).dialFrames("127.0.0.1")
	for _, headers := range [][]hpack.HeaderField{{{Name: "content-length", Value: "30000"}}, nil} {
		for range 15 {
			stream := c.stream
			err := c.open("POST", "/unread", false, headers...)
			err = errors.Join(err, c.WriteData(stream, false, make([]byte, 15000)), c.WriteData(stream, true, make([]byte, 15000)))
			if err != nil {
				t.Fatal(err)
			}
			c.awaitFrame(http2.FrameHeaders, 0)
		}
	}
	if !c.isServed() {
		t.Error("the connection has ended")
	}
}

// A body earns what may still come of it, and no more than a client may send unread.
func TestUnreadBodiesEarn(t *testing.T) {
	for _, test := range []struct{ length, read, want int64 }{
		{length: 100, want: 100}, {length: 100, read: 60, want: 40}, {length: 100, read: 100}, {length: 1 << 30, read: 100, want: http2Window},
		{length: -1, read: 10, want: http2Window}, {length: -1, read: 1000},
	} {
		var a allowance
		body := newAccountedBody(&http.Request{Body: io.NopCloser(strings.NewReader(strings.Repeat("b", 100))), ContentLength: test.length}, &a)
		_, _ = io.CopyN(io.Discard, body, test.read)
		a.unearned.Store(1 << 20)
		body.earnUnread()
		if got := 1<<20 - a.unearned.Load(); got != test.want {
			t.Errorf("%d bytes are earned after %d bytes of %d, want %d", got, test.read, test.length, test.want)
		}
	}
}

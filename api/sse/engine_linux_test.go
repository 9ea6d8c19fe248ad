package sse

import (
	"bufio"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// stuck is the response to a client that takes nothing, not even the first event: what it asked for before
// has filled its socket.
type stuck struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (s stuck) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return s.conn, bufio.NewReadWriter(bufio.NewReader(s.conn), bufio.NewWriter(s.conn)), nil
}

func TestClientThatDoesNotTakeTheFirstEvent(t *testing.T) {
	f := stream.NewFeed(streamtest.NewLog("k3f9"), stream.FeedOptions{})
	if err := f.Fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{
		Feed: f, Heartbeat: time.Hour, WriteTimeout: 50 * time.Millisecond, Meter: noMeter{}, Now: time.Now,
		Retry: func() int { return 2713 },
	})
	if err != nil {
		t.Fatal(err)
	}
	here, there := net.Pipe()
	t.Cleanup(func() { _ = there.Close() })
	sub, sync, err := f.Subscribe(t.Context(), stream.Cursor{}, stream.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	var end End
	re := &Response{w: stuck{httptest.NewRecorder(), here}, r: httptest.NewRequest("GET", "/", nil)}
	s.Serve(re, &Stream{Sub: sub, Sync: sync, Ended: func(e End) { end = e }})
	s.Close()
	if end.Reason != "slow" {
		t.Errorf("the stream ended with %q", end.Reason)
	}
}

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

// stuckWriter writes the response to a client that does not read: its socket is full from the start.
type stuckWriter struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (w stuckWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.conn, bufio.NewReadWriter(bufio.NewReader(w.conn), bufio.NewWriter(w.conn)), nil
}

func TestClientThatDoesNotTakeTheFirstEventIsSlow(t *testing.T) {
	f := stream.NewFeed(streamtest.NewLog("k3f9"), stream.FeedOptions{})
	if err := f.Fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	opts := testOptions(f)
	opts.WriteTimeout = 50 * time.Millisecond
	s, err := New(opts)
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
	re := &Response{w: stuckWriter{httptest.NewRecorder(), here}, r: httptest.NewRequest("GET", "/", nil)}
	s.Serve(re, &Stream{Sub: sub, Sync: sync, Owner: ownerFunc(func(e End) { end = e })})
	s.Close()
	if end.Reason != CloseSlow {
		t.Errorf("close reason: got %q, want %q", end.Reason, CloseSlow)
	}
}

package api_test

import (
	"net/http"
	"testing"
	"time"
)

// A stream on HTTP/2 may be silent for longer than the write timeout, which bounds a write: net/http would reset the stream
// when a deadline expires, even if nothing is being written.
func TestSilentStreamOnHTTP2(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{
		api: func(o *apiOptions) {
			o.Streams.Heartbeat, o.Streams.WriteTimeout = 300*time.Millisecond, 100*time.Millisecond
		},
		server: func(h *http.Server) {
			h.WriteTimeout = 200 * time.Millisecond // of other responses
			h.Protocols = new(http.Protocols)
			h.Protocols.SetUnencryptedHTTP2(true)
		},
	})
	transport := s.web.Client().Transport.(*http.Transport)
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetUnencryptedHTTP2(true)
	stream := s.openSynced("")
	if stream.response.ProtoMajor != 2 {
		t.Fatalf("the stream uses %s", stream.response.Proto)
	}
	for range 4 {
		stream.readUntil(`"type":"heartbeat"`)
	}
	s.commit("late")
	stream.readUntil(`"late"`)
}

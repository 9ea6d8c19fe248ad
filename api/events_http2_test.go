package api_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A stream on HTTP/2 may be silent for longer than the write timeout, which bounds a write: net/http would reset the stream
// when a deadline expires, even if nothing is being written. A machine that stands still during a write ends the stream too, so there
// are some attempts.
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
	for range 10 {
		err := s.followSilently()
		if err == nil {
			return
		}
		t.Logf("the stream ended: %v", err)
	}
	t.Error("no stream lasts for longer than the write timeout")
}

// followSilently reads a stream on HTTP/2 of which only heartbeats come at first, and then an event.
func (s *streamServer) followSilently() error {
	ctx, cancel := context.WithTimeout(s.Context(), waitLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.web.URL+"/api/events", nil)
	if err != nil {
		return err
	}
	response, err := s.web.Client().Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.ProtoMajor != 2 {
		s.Fatalf("the stream uses %s", response.Proto)
	}
	l := &streamClient{T: s.T, response: response, in: bufio.NewReader(response.Body), disconnect: cancel}
	for heartbeats := 0; ; {
		block, err := l.readBlock()
		switch {
		case err != nil:
			return err
		case strings.Contains(block, `"late"`):
			return nil
		case strings.Contains(block, `"type":"heartbeat"`):
			if heartbeats++; heartbeats == 4 {
				s.commit("late")
			}
		}
	}
}

package api_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/pgherald/pgherald/api/admission"
)

// Requests for streams that announce a body and withhold it take no slot: on HTTP/1 and on HTTP/2.
func TestWithheldBodiesTakeNoSlot(t *testing.T) {
	const slots = 20
	both := new(http.Protocols)
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	s := newStreamServer(t, streamServerOptions{
		api:    func(o *apiOptions) { o.Streams.Admission = admission.New(admission.Options{Total: slots}) },
		server: func(h *http.Server) { h.Protocols = both },
	})
	for range slots {
		s.dial("GET /api/events HTTP/1.1\r\nHost: pgherald\r\nContent-Length: 5\r\n\r\n")
		s.dial("GET /api/events HTTP/1.1\r\nHost: pgherald\r\nTransfer-Encoding: chunked\r\n\r\n")
	}
	wait := s.withholdOnHTTP2(slots)
	for range slots {
		s.openSynced("")
	}
	response, _ := s.request(http.MethodGet, "/api/events")
	if response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a stream beyond the limit: %s", response.Status)
	}
	wait()
}

// withholdOnHTTP2 sends requests for streams on one connection, whose bodies never end. wait waits for the responses.
func (s *streamServer) withholdOnHTTP2(n int) (wait func()) {
	s.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: transport, Timeout: waitLimit}
	s.Cleanup(transport.CloseIdleConnections)
	var running sync.WaitGroup
	for range n {
		withheld, end := io.Pipe()
		s.Cleanup(func() { _ = end.Close() })
		r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.web.URL+"/api/events", withheld)
		if err != nil {
			s.Fatal(err)
		}
		running.Go(func() {
			response, err := client.Do(r)
			if err != nil {
				s.Error(err)
				return
			}
			if text, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(text), "in time") {
				s.Errorf("a withheld body is answered with %s %s", response.Status, text)
			}
			_ = response.Body.Close()
		})
	}
	return running.Wait
}

// Package pgheraldtest has a scripted server for tests of programs that use clients/go:
//
//	server := &pgheraldtest.Server{Steps: []pgheraldtest.Step{
//		pgheraldtest.Send(pgheraldtest.WithID("c0", pgheraldtest.Sync(`{"mode":"live"}`)), pgheraldtest.WithID("c1", pgheraldtest.Row(1))),
//	}}
//	client, err := pgherald.New(server.Serve(t), pgherald.Options{})
package pgheraldtest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
)

// TB is the part of testing.TB that the server uses.
type TB interface {
	Helper()
	Cleanup(end func())
}

// Step answers one request.
type Step func(w http.ResponseWriter, r *http.Request)

// Server answers each request with the next of its steps. After the last one it answers 410, after which a client
// makes no other attempt.
type Server struct {
	Steps []Step

	mu      sync.Mutex
	cursors []string
	header  http.Header
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	n := len(s.cursors)
	s.cursors = append(s.cursors, r.Header.Get("Last-Event-ID"))
	s.header = r.Header
	s.mu.Unlock()
	if n >= len(s.Steps) {
		w.WriteHeader(http.StatusGone)
		return
	}
	s.Steps[n](w, r)
}

// Serve starts the server, and returns its base URL. The end of the test closes it.
func (s *Server) Serve(t TB) string {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

// Cursors returns the header Last-Event-ID of each request.
func (s *Server) Cursors() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.cursors)
}

// Header returns the header of the last request.
func (s *Server) Header() http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.header
}

// Send answers with a stream that ends after the frames.
func Send(frames ...string) Step {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "retry: 0\n\n"+strings.Join(frames, "")) // fails if the client has gone
	}
}

// SendAndAbort answers with a stream whose connection breaks after the frames.
func SendAndAbort(frames ...string) Step {
	return func(w http.ResponseWriter, r *http.Request) {
		Send(frames...)(w, r)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// Refuse answers with a status, and header fields in pairs.
func Refuse(status int, header ...string) Step {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}
}

// JSON answers with a document, such as a list or a page of events.
func JSON(text string) Step {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, text) // fails if the client has gone
	}
}

// WithID puts an id line before a frame: the last one of a transaction has one.
func WithID(cursor, frame string) string { return "id: " + cursor + "\n" + frame }

// Row returns the frame of an event of the log, order_created with {"n":ID}.
func Row(id int) string {
	return Event(fmt.Sprintf(`{"id":%d,"type":"order_created","data":{"n":%[1]d},"timestamp":1764000000000}`, id))
}

// Event returns the frame of an envelope, which is one line.
func Event(envelope string) string { return "data: " + envelope + "\n\n" }

// Sync returns the frame of a state of the stream, such as {"mode":"live"}.
func Sync(data string) string {
	return Event(`{"type":"sync","data":` + data + `,"timestamp":1764000000000}`)
}

// Heartbeat returns the frame of a heartbeat.
func Heartbeat() string { return Event(`{"type":"heartbeat","data":{},"timestamp":1764000000000}`) }

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// step is how a scripted server answers one request.
type step func(w http.ResponseWriter, r *http.Request)

// script is a server that answers each request with the next step, and remembers what cursor
// each came with. After the last step it answers 410, which ends a tail.
type script struct {
	mu      sync.Mutex
	steps   []step
	cursors []string
	types   []string
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.cursors = append(s.cursors, r.Header.Get("Last-Event-ID"))
	s.types = append(s.types, r.URL.Query().Get("types"))
	n := len(s.cursors) - 1
	s.mu.Unlock()
	if n >= len(s.steps) {
		w.WriteHeader(http.StatusGone)
		return
	}
	s.steps[n](w, r)
}

func (s *script) serve(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

// sends is a stream that ends properly.
func sends(frames ...string) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "retry: 0\n\n"+strings.Join(frames, ""))
	}
}

// tears is a stream that breaks off behind the frames.
func tears(frames ...string) step {
	return func(w http.ResponseWriter, r *http.Request) {
		sends(frames...)(w, r)
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func refuses(status int, header ...string) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}
}

// at returns a frame with an id line before it.
func at(cursor, frame string) string { return "id: " + cursor + "\n" + frame }

// row returns the frame of an event in the log.
func row(id int) string {
	return fmt.Sprintf(`data: {"id":%d,"type":"order_created","data":{"n":%[1]d},"timestamp":1764000000000}`+"\n\n", id)
}

func syncFrame(data string) string {
	return `data: {"type":"sync","data":` + data + `,"timestamp":1764000000000}` + "\n\n"
}

const heartbeatFrame = `data: {"type":"heartbeat","data":{},"timestamp":1764000000000}` + "\n\n"

// tail is a follower whose output can be looked at.
type tail struct {
	*follower
	stdout, stderr bytes.Buffer
}

func newTail(t *testing.T, server string, client *http.Client, o tailPrintOptions) *tail {
	t.Helper()
	u, err := url.Parse(server + eventsPath)
	if err != nil {
		t.Fatal(err)
	}
	o.now = func() time.Time { return time.UnixMilli(1764000000000) }
	o.width = func() int { return 0 }
	tl := &tail{}
	tl.follower = &follower{
		client: client,
		url:    u,
		idle:   75 * time.Second,
		out:    newTailPrinter(&tl.stdout, &tl.stderr, o),
		jitter: func(time.Duration) time.Duration { return 0 },
		once:   newOnceGuard(),
	}
	return tl
}

// followAll follows until all events are counted, and fails the test if it ends otherwise.
func (tl *tail) followAll(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := tl.follow(ctx); !errors.Is(err, errCounted) {
		t.Fatalf("follow = %v, stderr:\n%s", err, &tl.stderr)
	}
}

// transport answers requests without a network, so that a test may run in a bubble of its own
// time. The body ends when the request is cancelled, as one from a network does.
type transport func(*http.Request, *io.PipeWriter)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) {
	body, w := io.Pipe()
	var running sync.WaitGroup
	running.Go(func() { f(r, w) })
	stop := context.AfterFunc(r.Context(), func() {
		w.CloseWithError(r.Context().Err())
	})
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"text/event-stream"}},
		Body:       &waitingBody{ReadCloser: body, wait: func() { stop(); running.Wait() }},
	}, nil
}

// waitingBody waits, when closed, for whoever writes it.
type waitingBody struct {
	io.ReadCloser
	wait func()
}

func (b *waitingBody) Close() error {
	err := b.ReadCloser.Close()
	b.wait()
	return err
}

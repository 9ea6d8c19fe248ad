package tail

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

// step answers one request.
type step func(w http.ResponseWriter, r *http.Request)

// script is a server that answers each request with the next step, and records the cursor of each request. After the last step it answers 410, which ends a tail.
type script struct {
	mu      sync.Mutex
	steps   []step
	cursors []string
	header  http.Header // of the last request
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.cursors = append(s.cursors, r.Header.Get("Last-Event-ID"))
	s.header = r.Header
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

// send answers with a stream that ends after the frames.
func send(frames ...string) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "retry: 0\n\n"+strings.Join(frames, ""))
	}
}

// sendAndAbort answers with a stream whose connection breaks after the frames.
func sendAndAbort(frames ...string) step {
	return func(w http.ResponseWriter, r *http.Request) {
		send(frames...)(w, r)
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// refuse answers with a status and header fields.
func refuse(status int, header ...string) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}
}

// withID puts an id line before a frame.
func withID(cursor, frame string) string { return "id: " + cursor + "\n" + frame }

// row returns the frame of an event of the log.
func row(id int) string {
	return fmt.Sprintf(`data: {"id":%d,"type":"order_created","data":{"n":%[1]d},"timestamp":1764000000000}`+"\n\n", id)
}

func syncFrame(data string) string {
	return `data: {"type":"sync","data":` + data + `,"timestamp":1764000000000}` + "\n\n"
}

const heartbeatFrame = `data: {"type":"heartbeat","data":{},"timestamp":1764000000000}` + "\n\n"

// recordedFollower is a follower whose output is recorded.
type recordedFollower struct {
	*follower
	stdout, stderr bytes.Buffer
}

// newRecordedFollower returns a follower without random delays, whose clock stands still.
func newRecordedFollower(t *testing.T, server string, client *http.Client, o printOptions) *recordedFollower {
	t.Helper()
	u, err := url.Parse(server + eventsPath)
	if err != nil {
		t.Fatal(err)
	}
	o.now = func() time.Time { return time.UnixMilli(1764000000000) }
	o.width = func() int { return 0 }
	f := &recordedFollower{}
	f.follower = &follower{
		client: client,
		url:    u,
		idle:   75 * time.Second,
		out:    newPrinter(&f.stdout, &f.stderr, o),
		jitter: func(time.Duration) time.Duration { return 0 },
		once:   newOnceFilter(),
	}
	return f
}

// followAll follows until the requested number of events is printed, and fails the test otherwise.
func (f *recordedFollower) followAll(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := f.follow(ctx); !errors.Is(err, errCountReached) {
		t.Fatalf("follow = %v, stderr:\n%s", err, &f.stderr)
	}
}

// transport answers requests without a network, so that tests can run in a synctest bubble. It
// writes the body, which ends when the request is cancelled.
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

// waitingBody is a body whose Close waits for its writer.
type waitingBody struct {
	io.ReadCloser
	wait func()
}

func (b *waitingBody) Close() error {
	err := b.ReadCloser.Close()
	b.wait()
	return err
}

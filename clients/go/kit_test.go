package pgherald

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// recorder is a stream whose yields and states are recorded.
type recorder struct {
	*Stream
	ids    []int64
	events []*Event
	syncs  []Mode
	status []string
}

// newRecorder returns a stream without random delays.
func newRecorder(t *testing.T, server string, o Options) *recorder {
	t.Helper()
	r := &recorder{}
	o.OnStatus = func(s Status) { r.status = append(r.status, s.Err.Error()) }
	client, err := New(server, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	client.jitter = func(time.Duration) time.Duration { return 0 }
	r.Stream = client.Stream(Filter{})
	return r
}

// receive receives a number of events of the log. It returns the error before that, or nil.
func (r *recorder) receive(ctx context.Context, count int) error {
	for event, err := range r.Events(ctx) {
		if err != nil {
			return err
		}
		if event.Sync != nil {
			r.syncs = append(r.syncs, event.Sync.Mode)
		}
		if event.ID != 0 {
			r.ids = append(r.ids, event.ID)
			r.events = append(r.events, event)
		}
		if len(r.ids) >= count {
			return nil
		}
	}
	return errors.New("the iterator ended without an error")
}

// receiveAll receives a number of events, and fails the test otherwise.
func (r *recorder) receiveAll(t *testing.T, count int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := r.receive(ctx, count); err != nil {
		t.Fatalf("receive = %v; status: %q", err, r.status)
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
	first, _, _ := strings.Cut(r.Header.Get("Accept"), ",") // a refusal may have the second
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {first}},
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

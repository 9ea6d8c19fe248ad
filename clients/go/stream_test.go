package pgherald

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/clients/go/pgheraldtest"
)

func TestStreamResumesAfterItsCursor(t *testing.T) {
	s := &pgheraldtest.Server{Steps: []pgheraldtest.Step{
		pgheraldtest.SendAndAbort(pgheraldtest.WithID("c0", pgheraldtest.Sync(`{"mode":"live"}`)), pgheraldtest.WithID("c1", pgheraldtest.Row(1))),
		pgheraldtest.Send(pgheraldtest.WithID("c1", pgheraldtest.Sync(`{"mode":"resumed","events":1}`)), pgheraldtest.WithID("c2", pgheraldtest.Row(2)), pgheraldtest.WithID("c3", pgheraldtest.Heartbeat())),
		pgheraldtest.Send(pgheraldtest.WithID("c3", pgheraldtest.Sync(`{"mode":"resumed","events":0}`)), pgheraldtest.WithID("c4", pgheraldtest.Row(3))),
	}}
	r := newRecorder(t, s.Serve(t), Options{})
	r.receiveAll(t, 3)
	if want := []string{"", "c1", "c3"}; !slices.Equal(s.Cursors(), want) {
		t.Errorf("cursors = %q, want %q", s.Cursors(), want)
	}
	if !slices.Equal(r.ids, []int64{1, 2, 3}) || r.Cursor() != "c4" || r.IsWithinTransaction() {
		t.Errorf("ids = %v, cursor = %q", r.ids, r.Cursor())
	}
	for i, text := range []string{"the connection broke", "the server ended the stream"} {
		if !strings.Contains(r.status[i], text) {
			t.Errorf("status %d = %q, want %q", i, r.status[i], text)
		}
	}
}

func TestACutTransactionComesOnce(t *testing.T) {
	s := &pgheraldtest.Server{Steps: []pgheraldtest.Step{
		pgheraldtest.SendAndAbort(pgheraldtest.WithID("c0", pgheraldtest.Sync(`{"mode":"live"}`)), pgheraldtest.Row(1), pgheraldtest.Row(2)),
		// Another transaction may arrive first, and the same one may be cut again.
		pgheraldtest.SendAndAbort(pgheraldtest.WithID("c0", pgheraldtest.Sync(`{"mode":"resumed"}`)), pgheraldtest.WithID("c1", pgheraldtest.Row(9)), pgheraldtest.Row(1)),
		pgheraldtest.Send(pgheraldtest.WithID("c1", pgheraldtest.Sync(`{"mode":"resumed"}`)), pgheraldtest.Row(1), pgheraldtest.Row(2), pgheraldtest.WithID("c2", pgheraldtest.Row(3)), pgheraldtest.WithID("c3", pgheraldtest.Row(4))),
	}}
	r := newRecorder(t, s.Serve(t), Options{})
	r.receiveAll(t, 5)
	if !slices.Equal(r.ids, []int64{1, 2, 9, 3, 4}) || !slices.Equal(s.Cursors(), []string{"", "c0", "c1"}) {
		t.Errorf("ids = %v, cursors = %q", r.ids, s.Cursors())
	}
}

// A loop that ends within a transaction continues there.
func TestAnotherLoopContinues(t *testing.T) {
	s := &pgheraldtest.Server{Steps: []pgheraldtest.Step{
		pgheraldtest.Send(pgheraldtest.WithID("c0", pgheraldtest.Sync(`{"mode":"live"}`)), pgheraldtest.Row(1), pgheraldtest.WithID("c1", pgheraldtest.Row(2))),
		pgheraldtest.Send(pgheraldtest.WithID("c0", pgheraldtest.Sync(`{"mode":"resumed"}`)), pgheraldtest.Row(1), pgheraldtest.WithID("c1", pgheraldtest.Row(2))),
	}}
	r := newRecorder(t, s.Serve(t), Options{})
	r.receiveAll(t, 1)
	if !r.IsWithinTransaction() || r.Cursor() != "c0" {
		t.Errorf("after the first event: cursor = %q", r.Cursor())
	}
	r.receiveAll(t, 2)
	if !slices.Equal(r.ids, []int64{1, 2}) || r.Cursor() != "c1" {
		t.Errorf("ids = %v, cursor = %q", r.ids, r.Cursor())
	}
}

// With a cursor that was cut, the server sends events again that it sent before the cursor.
func TestRepeatsAreDropped(t *testing.T) {
	s := &pgheraldtest.Server{Steps: []pgheraldtest.Step{
		pgheraldtest.SendAndAbort(pgheraldtest.WithID("c0", pgheraldtest.Sync(`{"mode":"live"}`)), pgheraldtest.WithID("c1", pgheraldtest.Row(1)), pgheraldtest.Row(2), pgheraldtest.WithID("c2", pgheraldtest.Row(3))),
		pgheraldtest.Send(pgheraldtest.WithID("c2", pgheraldtest.Sync(`{"mode":"resumed","repeats":true}`)), pgheraldtest.Row(2), pgheraldtest.WithID("c3", pgheraldtest.Row(3)), pgheraldtest.WithID("c4", pgheraldtest.Row(4))),
	}}
	r := newRecorder(t, s.Serve(t), Options{})
	r.receiveAll(t, 4)
	if !slices.Equal(r.ids, []int64{1, 2, 3, 4}) {
		t.Errorf("ids = %v", r.ids)
	}
}

func TestResetForgetsReceivedEvents(t *testing.T) {
	s := &pgheraldtest.Server{Steps: []pgheraldtest.Step{
		pgheraldtest.SendAndAbort(pgheraldtest.WithID("c0", pgheraldtest.Sync(`{"mode":"live"}`)), pgheraldtest.Row(1)),
		// In another log this 1 is another event.
		pgheraldtest.Send(pgheraldtest.WithID("x0", pgheraldtest.Sync(`{"mode":"reset","reason":"other_log"}`)), pgheraldtest.WithID("x1", pgheraldtest.Row(1))),
	}}
	r := newRecorder(t, s.Serve(t), Options{})
	r.receiveAll(t, 2)
	if !slices.Equal(r.ids, []int64{1, 1}) || !slices.Equal(r.syncs, []Mode{ModeLive, ModeReset}) {
		t.Errorf("ids = %v, syncs = %v", r.ids, r.syncs)
	}
}

func TestTransactionsAreWhole(t *testing.T) {
	s := &pgheraldtest.Server{Steps: []pgheraldtest.Step{
		pgheraldtest.SendAndAbort(pgheraldtest.WithID("c0", pgheraldtest.Sync(`{"mode":"live"}`)), pgheraldtest.Row(1), pgheraldtest.Row(2)),
		pgheraldtest.Send(pgheraldtest.WithID("c0", pgheraldtest.Sync(`{"mode":"resumed"}`)), pgheraldtest.WithID("c1", pgheraldtest.Row(9)), pgheraldtest.Row(1), pgheraldtest.Row(2), pgheraldtest.WithID("c2", pgheraldtest.Row(3))),
	}}
	client, err := New(s.Serve(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.jitter = func(time.Duration) time.Duration { return 0 }
	var got [][]int64
	for events, err := range client.Stream(Filter{}).Transactions(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		var ids []int64
		for _, e := range events {
			ids = append(ids, e.ID)
		}
		if got = append(got, ids); len(got) == 4 {
			break
		}
	}
	if want := [][]int64{{0}, {0}, {9}, {1, 2, 3}}; !slices.EqualFunc(got, want, slices.Equal[[]int64]) {
		t.Errorf("transactions = %v, want %v", got, want)
	}
}

func TestBatchesAreUnpacked(t *testing.T) {
	batch := `data: {"type":"batch","data":{"events":[{"id":1,"type":"a","data":1},{"id":2,"type":"a","data":2}]},"timestamp":1}` + "\n\n"
	s := &pgheraldtest.Server{Steps: []pgheraldtest.Step{
		pgheraldtest.Send(pgheraldtest.WithID("c0", pgheraldtest.Sync(`{"mode":"live"}`)), batch), // the transaction continues in the next batch
		pgheraldtest.Send(pgheraldtest.WithID("c0", pgheraldtest.Sync(`{"mode":"resumed"}`)), batch, pgheraldtest.WithID("c1", strings.NewReplacer(`"id":1`, `"id":3`, `"id":2`, `"id":4`).Replace(batch))),
	}}
	r := newRecorder(t, s.Serve(t), Options{})
	r.receiveAll(t, 4)
	if !slices.Equal(r.ids, []int64{1, 2, 3, 4}) || r.events[2].Cursor != "" || r.events[3].Cursor != "c1" {
		t.Errorf("ids = %v", r.ids)
	}
}

func TestTemporaryRefusalsAreRetried(t *testing.T) {
	s := &pgheraldtest.Server{Steps: []pgheraldtest.Step{
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		pgheraldtest.Refuse(http.StatusServiceUnavailable, "Retry-After", "0"),
		pgheraldtest.Refuse(http.StatusTooManyRequests),
		pgheraldtest.Refuse(http.StatusBadGateway, "Content-Type", "text/html"),
		pgheraldtest.Send(pgheraldtest.WithID("c0", pgheraldtest.Sync(`{"mode":"live"}`)), pgheraldtest.WithID("c1", pgheraldtest.Row(1))),
	}}
	r := newRecorder(t, s.Serve(t), Options{})
	r.receiveAll(t, 1)
	for i, text := range []string{"no response: EOF", "503", "429", "502"} {
		if !strings.Contains(r.status[i], text) {
			t.Errorf("status %d = %q, want %q", i, r.status[i], text)
		}
	}
}

func TestPermanentRefusalsEndTheStream(t *testing.T) {
	for name, test := range map[string]struct {
		step pgheraldtest.Step
		want string
	}{
		"400": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
			w.WriteHeader(http.StatusBadRequest)
			w.Write([]byte(`{"status":400,"detail":"types is empty"}`))
		}, "400 Bad Request, types is empty"},
		"401":       {pgheraldtest.Refuse(http.StatusUnauthorized), "401 Unauthorized"},
		"204":       {pgheraldtest.Refuse(http.StatusNoContent), "204 No Content"},
		"no stream": {pgheraldtest.Refuse(http.StatusOK, "Content-Type", "text/html"), "the response is text/html"},
		"no type":   {pgheraldtest.Refuse(http.StatusOK, "Content-Type", ""), "without a content type"},
	} {
		s := &pgheraldtest.Server{Steps: []pgheraldtest.Step{test.step}}
		r := newRecorder(t, s.Serve(t), Options{})
		if err := r.receive(t.Context(), 1); err == nil || !strings.Contains(err.Error(), test.want) || len(s.Cursors()) != 1 {
			t.Errorf("%s: receive = %v after %d requests", name, err, len(s.Cursors()))
		}
	}
}

func TestUntrustedCertificateEndsTheStream(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would log the failed handshake
	server.StartTLS()
	defer server.Close()
	r := newRecorder(t, server.URL, Options{})
	if err := r.receive(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "certificate is not trusted") {
		t.Errorf("receive = %v", err)
	}
}

func TestFramesThatAreNoEventsAreSkipped(t *testing.T) {
	s := &pgheraldtest.Server{Steps: []pgheraldtest.Step{pgheraldtest.Send(": comment\n\n", "data: nonsense\n\n", "id: c1\n\n", "event: x\ndata: {\ndata: \"id\":7,\"type\":\"t\",\"data\":1}\n\n")}}
	r := newRecorder(t, s.Serve(t), Options{})
	r.receiveAll(t, 1)
	if got, want := string(r.events[0].Raw), "{\n\"id\":7,\"type\":\"t\",\"data\":1}"; got != want {
		t.Errorf("raw = %q, want %q", got, want)
	}
	if r.Cursor() != "c1" || len(r.status) != 1 {
		t.Errorf("cursor = %q, want c1, of the frame without data; status = %q", r.Cursor(), r.status)
	}
}

// A rejected token is replaced once, at once.
func TestARejectedTokenIsReplaced(t *testing.T) {
	s := &pgheraldtest.Server{Steps: []pgheraldtest.Step{
		pgheraldtest.Refuse(http.StatusUnauthorized),
		pgheraldtest.Send(pgheraldtest.WithID("c0", pgheraldtest.Sync(`{"mode":"live"}`)), pgheraldtest.WithID("c1", pgheraldtest.Row(1)), pgheraldtest.Sync(`{"mode":"expired"}`)),
		pgheraldtest.Refuse(http.StatusUnauthorized),
		pgheraldtest.Refuse(http.StatusUnauthorized),
	}}
	var reasons []TokenReason
	r := newRecorder(t, s.Serve(t), Options{Token: func(_ context.Context, reason TokenReason) (string, error) {
		reasons = append(reasons, reason)
		return "t", nil
	}})
	err := r.receive(t.Context(), 2)
	if err == nil || !strings.Contains(err.Error(), "401") || len(r.status) != 0 {
		t.Errorf("receive = %v, status = %q", err, r.status)
	}
	if want := []TokenReason{TokenConnect, TokenRejected, TokenRenew, TokenRejected}; !slices.Equal(reasons, want) {
		t.Errorf("reasons = %q, want %q", reasons, want)
	}
}

func TestBackoff(t *testing.T) {
	c := &Client{jitter: func(d time.Duration) time.Duration { return d - 1 }}
	for _, test := range []struct {
		failures       int
		demanded, want time.Duration
	}{
		{1, 0, time.Second - 1},
		{2, 0, 2*time.Second - 1},
		{5, 0, 16*time.Second - 1},
		{6, 0, 30*time.Second - 1},
		{1 << 40, 0, 30*time.Second - 1},
		{1, 2713 * time.Millisecond, 3713*time.Millisecond - 1},
		{1, 1000 * time.Hour, time.Hour + time.Second - 1},
	} {
		if got := c.backoff(test.demanded, test.failures); got != test.want {
			t.Errorf("after %d failures, demanded %v: %v, want %v", test.failures, test.demanded, got, test.want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"7":                             7 * time.Second,
		"-7":                            0,
		"soon":                          0,
		"Tue, 24 Nov 2026 12:01:00 GMT": time.Minute,
		"Tue, 24 Nov 2026 11:00:00 GMT": 0,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("retryAfter(%q) = %v, want %v", value, got, want)
		}
	}
}

package tail

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFollowResumesAfterItsCursor(t *testing.T) {
	s := &script{steps: []step{
		sendAndAbort(withID("c0", syncFrame(`{"mode":"live"}`)), withID("c1", row(1))),
		send(withID("c1", syncFrame(`{"mode":"resumed","events":1}`)), withID("c2", row(2)), withID("c3", heartbeatFrame)),
		send(withID("c3", syncFrame(`{"mode":"resumed","events":0}`)), withID("c4", row(3))),
	}}
	f := newRecordedFollower(t, s.serve(t), http.DefaultClient, printOptions{json: true, count: 3})
	f.followAll(t)
	if diff := cmp.Diff([]string{"", "c1", "c3"}, s.cursors); diff != "" {
		t.Errorf("cursors (-want +got):\n%s", diff)
	}
	want := `{"id":1,"type":"order_created","data":{"n":1},"timestamp":1764000000000}
{"id":2,"type":"order_created","data":{"n":2},"timestamp":1764000000000}
{"id":3,"type":"order_created","data":{"n":3},"timestamp":1764000000000}
`
	if diff := cmp.Diff(want, f.stdout.String()); diff != "" {
		t.Errorf("stdout (-want +got):\n%s", diff)
	}
	if f.cursor != "c4" {
		t.Errorf("cursor at the end is %q, want c4", f.cursor)
	}
	for _, text := range []string{"live: events from now on", "the connection broke", "1 missed event follows", "the server ended the stream", "no event was missed"} {
		if !strings.Contains(f.stderr.String(), text) {
			t.Errorf("stderr does not contain %q:\n%s", text, &f.stderr)
		}
	}
}

func TestFollowPrintsACutTransactionOnce(t *testing.T) {
	s := &script{steps: []step{
		sendAndAbort(withID("c0", syncFrame(`{"mode":"live"}`)), row(1), row(2)),
		// Another transaction may arrive first, and the same one may be cut again.
		sendAndAbort(withID("c0", syncFrame(`{"mode":"resumed"}`)), withID("c1", row(9)), row(1)),
		send(withID("c1", syncFrame(`{"mode":"resumed"}`)), row(1), row(2), withID("c2", row(3)), withID("c3", row(4))),
	}}
	f := newRecordedFollower(t, s.serve(t), http.DefaultClient, printOptions{json: true, count: 5})
	f.followAll(t)
	if diff := cmp.Diff([]string{"", "c0", "c1"}, s.cursors); diff != "" {
		t.Errorf("cursors (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{1, 2, 9, 3, 4}, printedIDs(t, f.stdout.String())); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
}

func TestResetForgetsPrintedEvents(t *testing.T) {
	s := &script{steps: []step{
		sendAndAbort(withID("c0", syncFrame(`{"mode":"live"}`)), row(1)),
		// In another log this 1 is another event.
		send(withID("x0", syncFrame(`{"mode":"reset","reason":"other_log"}`)), withID("x1", row(1))),
	}}
	f := newRecordedFollower(t, s.serve(t), http.DefaultClient, printOptions{json: true, count: 2})
	f.followAll(t)
	if diff := cmp.Diff([]int{1, 1}, printedIDs(t, f.stdout.String())); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
	if !strings.Contains(f.stderr.String(), "RESET: events may be missing") {
		t.Errorf("stderr does not mention the reset:\n%s", &f.stderr)
	}
}

func TestFollowRetriesTemporaryRefusals(t *testing.T) {
	s := &script{steps: []step{
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		refuse(http.StatusServiceUnavailable, "Retry-After", "0"),
		refuse(http.StatusTooManyRequests),
		refuse(http.StatusBadGateway, "Content-Type", "text/html"),
		send(withID("c0", syncFrame(`{"mode":"live"}`)), withID("c1", row(1))),
	}}
	f := newRecordedFollower(t, s.serve(t), newHTTPClient(), printOptions{json: true, count: 1})
	f.followAll(t)
	for _, text := range []string{"503", "429", "502", "no response: EOF"} {
		if !strings.Contains(f.stderr.String(), text) {
			t.Errorf("stderr does not contain %q:\n%s", text, &f.stderr)
		}
	}
}

func TestPermanentRefusalEndsTheTail(t *testing.T) {
	tests := []struct {
		name string
		step step
		want []string
	}{
		{"400 with a problem", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
			w.WriteHeader(http.StatusBadRequest)
			w.Write([]byte(`{"status":400,"detail":"types is \u001b[2Jempty"}`))
		}, []string{"400 Bad Request", `types is \u001b[2Jempty`, "check --types"}},
		{"401", refuse(http.StatusUnauthorized), []string{"401 Unauthorized", "--header"}},
		{"403", refuse(http.StatusForbidden), []string{"403 Forbidden", "may not follow"}},
		{"404", refuse(http.StatusNotFound), []string{"404 Not Found", "base URL"}},
		{"204", refuse(http.StatusNoContent), []string{"204 No Content", "would not help"}},
		{"no stream", refuse(http.StatusOK, "Content-Type", "text/html"), []string{"the response is text/html", "base URL"}},
		{"no type", refuse(http.StatusOK, "Content-Type", ""), []string{"without a content type"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &script{steps: []step{test.step}}
			f := newRecordedFollower(t, s.serve(t), http.DefaultClient, printOptions{})
			err := f.follow(t.Context())
			if err == nil {
				t.Fatal("follow returned no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error does not contain %q: %v", want, err)
				}
			}
			if len(s.cursors) != 1 || f.stdout.Len() > 0 {
				t.Errorf("%d requests, stdout %q", len(s.cursors), &f.stdout)
			}
		})
	}
}

func TestUntrustedCertificateEndsTheTail(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would log the failed handshake
	server.StartTLS()
	defer server.Close()
	f := newRecordedFollower(t, server.URL, newHTTPClient(), printOptions{})
	if err := f.follow(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate is not trusted") {
		t.Errorf("follow = %v", err)
	}
}

func TestFollowSkipsFramesThatAreNotEvents(t *testing.T) {
	s := &script{steps: []step{send(": comment\n\n", "data: nonsense\n\n", "id: c1\n\n", "event: x\ndata: {\ndata: \"id\":7,\"type\":\"t\",\"data\":1}\n\n")}}
	f := newRecordedFollower(t, s.serve(t), http.DefaultClient, printOptions{json: true, count: 1})
	f.followAll(t)
	if got, want := f.stdout.String(), "{ \"id\":7,\"type\":\"t\",\"data\":1}\n"; got != want {
		t.Errorf("stdout = %q, want %q", got, want)
	}
	if f.cursor != "c1" {
		t.Errorf("cursor = %q, want c1, of the frame without data", f.cursor)
	}
}

func TestBackoff(t *testing.T) {
	f := &follower{jitter: func(d time.Duration) time.Duration { return d - 1 }}
	tests := []struct {
		failures         int
		retry, requested time.Duration
		want             time.Duration
	}{
		{1, 0, 0, time.Second - 1},
		{2, 0, 0, 2*time.Second - 1},
		{5, 0, 0, 16*time.Second - 1},
		{6, 0, 0, 30*time.Second - 1},
		{1 << 40, 0, 0, 30*time.Second - 1},
		{1, 2713 * time.Millisecond, 0, 3713*time.Millisecond - 1},
		{1, 2 * time.Second, time.Minute, 61*time.Second - 1},
		{1, 0, 1000 * time.Hour, time.Hour + time.Second - 1},
	}
	for _, test := range tests {
		f.failures, f.retry = test.failures, test.retry
		if got := f.backoff(test.requested); got != test.want {
			t.Errorf("after %d failures, retry %v, requested %v: %v, want %v", test.failures, test.retry, test.requested, got, test.want)
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

// printedIDs returns the ids of the events in the output.
func printedIDs(t *testing.T, lines string) []int {
	t.Helper()
	var ids []int
	for line := range strings.Lines(lines) {
		var id int
		if _, err := fmt.Sscanf(line, `{"id":%d,`, &id); err != nil {
			t.Fatalf("read id of %q: %v", line, err)
		}
		ids = append(ids, id)
	}
	return ids
}

package main

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

func TestTailResumesWhereItWas(t *testing.T) {
	s := &script{steps: []step{
		tears(at("c0", syncFrame(`{"mode":"live"}`)), at("c1", row(1))),
		sends(at("c1", syncFrame(`{"mode":"resumed","events":1}`)), at("c2", row(2)), at("c3", heartbeatFrame)),
		sends(at("c3", syncFrame(`{"mode":"resumed","events":0}`)), at("c4", row(3))),
	}}
	tl := newTail(t, s.serve(t), http.DefaultClient, tailPrintOptions{json: true, count: 3})
	tl.followAll(t)
	if diff := cmp.Diff([]string{"", "c1", "c3"}, s.cursors); diff != "" {
		t.Errorf("cursors (-want +got):\n%s", diff)
	}
	want := `{"id":1,"type":"order_created","data":{"n":1},"timestamp":1764000000000}
{"id":2,"type":"order_created","data":{"n":2},"timestamp":1764000000000}
{"id":3,"type":"order_created","data":{"n":3},"timestamp":1764000000000}
`
	if diff := cmp.Diff(want, tl.stdout.String()); diff != "" {
		t.Errorf("stdout (-want +got):\n%s", diff)
	}
	if tl.cursor != "c4" {
		t.Errorf("cursor at the end is %q, want that of the last event", tl.cursor)
	}
	for _, text := range []string{"live: events from now on", "the connection broke", "1 event that was missed follows", "the server ended the stream", "nothing was missed"} {
		if !strings.Contains(tl.stderr.String(), text) {
			t.Errorf("stderr does not say %q:\n%s", text, &tl.stderr)
		}
	}
}

func TestTailPassesOverWhatItPrintedOfATornTransaction(t *testing.T) {
	s := &script{steps: []step{
		tears(at("c0", syncFrame(`{"mode":"live"}`)), row(1), row(2)),
		// Another transaction may come first, and the same one may be torn again.
		tears(at("c0", syncFrame(`{"mode":"resumed"}`)), at("c1", row(9)), row(1)),
		sends(at("c1", syncFrame(`{"mode":"resumed"}`)), row(1), row(2), at("c2", row(3)), at("c3", row(4))),
	}}
	tl := newTail(t, s.serve(t), http.DefaultClient, tailPrintOptions{json: true, count: 5})
	tl.followAll(t)
	if diff := cmp.Diff([]string{"", "c0", "c1"}, s.cursors); diff != "" {
		t.Errorf("cursors (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{1, 2, 9, 3, 4}, printedIDs(t, tl.stdout.String())); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
}

func TestTailForgetsAfterAReset(t *testing.T) {
	s := &script{steps: []step{
		tears(at("c0", syncFrame(`{"mode":"live"}`)), row(1)),
		// Another log: the ids start anew, and this 1 is another event.
		sends(at("x0", syncFrame(`{"mode":"reset","reason":"other_log"}`)), at("x1", row(1))),
	}}
	tl := newTail(t, s.serve(t), http.DefaultClient, tailPrintOptions{json: true, count: 2})
	tl.followAll(t)
	if diff := cmp.Diff([]int{1, 1}, printedIDs(t, tl.stdout.String())); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
	if !strings.Contains(tl.stderr.String(), "RESET: events may be missing") {
		t.Errorf("stderr does not tell of the reset:\n%s", &tl.stderr)
	}
}

func TestTailTriesAgain(t *testing.T) {
	s := &script{steps: []step{
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		refuses(http.StatusServiceUnavailable, "Retry-After", "0"),
		refuses(http.StatusTooManyRequests),
		refuses(http.StatusBadGateway, "Content-Type", "text/html"),
		sends(at("c0", syncFrame(`{"mode":"live"}`)), at("c1", row(1))),
	}}
	tl := newTail(t, s.serve(t), tailHTTPClient(), tailPrintOptions{json: true, count: 1})
	tl.followAll(t)
	for _, text := range []string{"503", "429", "502", "no answer: EOF"} {
		if !strings.Contains(tl.stderr.String(), text) {
			t.Errorf("stderr does not say %q:\n%s", text, &tl.stderr)
		}
	}
}

func TestTailEndsWhenRefused(t *testing.T) {
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
		{"401", refuses(http.StatusUnauthorized), []string{"401 Unauthorized", "--header"}},
		{"403", refuses(http.StatusForbidden), []string{"403 Forbidden", "may not follow"}},
		{"404", refuses(http.StatusNotFound), []string{"404 Not Found", "base URL"}},
		{"204", refuses(http.StatusNoContent), []string{"204 No Content", "would not help"}},
		{"no stream", refuses(http.StatusOK, "Content-Type", "text/html"), []string{"it is text/html", "base URL"}},
		{"no type", refuses(http.StatusOK, "Content-Type", ""), []string{"without a content type"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &script{steps: []step{test.step}}
			tl := newTail(t, s.serve(t), http.DefaultClient, tailPrintOptions{})
			err := tl.follow(t.Context())
			if err == nil {
				t.Fatal("follow returned no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error does not say %q: %v", want, err)
				}
			}
			if len(s.cursors) != 1 || tl.stdout.Len() > 0 {
				t.Errorf("%d requests, stdout %q", len(s.cursors), &tl.stdout)
			}
		})
	}
}

func TestTailEndsWhenTheCertificateIsNotTrusted(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the failed handshake
	server.StartTLS()
	defer server.Close()
	tl := newTail(t, server.URL, tailHTTPClient(), tailPrintOptions{})
	if err := tl.follow(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate is not trusted") {
		t.Errorf("follow = %v", err)
	}
}

func TestTailPassesOverWhatIsNoEvent(t *testing.T) {
	s := &script{steps: []step{sends(": comment\n\n", "data: nonsense\n\n", "id: c1\n\n", "event: x\ndata: {\ndata: \"id\":7,\"type\":\"t\",\"data\":1}\n\n")}}
	tl := newTail(t, s.serve(t), http.DefaultClient, tailPrintOptions{json: true, count: 1})
	tl.followAll(t)
	if got, want := tl.stdout.String(), "{ \"id\":7,\"type\":\"t\",\"data\":1}\n"; got != want {
		t.Errorf("stdout = %q, want %q", got, want)
	}
	if tl.cursor != "c1" {
		t.Errorf("cursor = %q, want that of the frame without data", tl.cursor)
	}
}

func TestTailBacksOff(t *testing.T) {
	f := &follower{jitter: func(d time.Duration) time.Duration { return d - 1 }}
	tests := []struct {
		failures     int
		retry, asked time.Duration
		want         time.Duration
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
		if got := f.backoff(test.asked); got != test.want {
			t.Errorf("after %d failures, retry %v, asked %v: %v, want %v", test.failures, test.retry, test.asked, got, test.want)
		}
	}
}

func TestTailReadsRetryAfter(t *testing.T) {
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

package tail

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/clients/go/pgheraldtest"
)

func TestFollowPrintsEachEventOnce(t *testing.T) {
	s := &pgheraldtest.Server{Steps: []pgheraldtest.Step{
		pgheraldtest.SendAndAbort(pgheraldtest.WithID("c0", pgheraldtest.Sync(`{"mode":"live"}`)), pgheraldtest.WithID("c1", pgheraldtest.Row(1)), pgheraldtest.Row(2)),
		pgheraldtest.Send(pgheraldtest.WithID("c1", pgheraldtest.Sync(`{"mode":"resumed","events":2}`)), pgheraldtest.Row(2), pgheraldtest.WithID("c2", pgheraldtest.Row(3)), pgheraldtest.WithID("c3", pgheraldtest.Heartbeat())),
	}}
	stdout, stderr := followAll(t, s, 3)
	want := `{"id":1,"type":"order_created","data":{"n":1},"timestamp":1764000000000}
{"id":2,"type":"order_created","data":{"n":2},"timestamp":1764000000000}
{"id":3,"type":"order_created","data":{"n":3},"timestamp":1764000000000}
`
	if diff := cmp.Diff(want, stdout); diff != "" {
		t.Errorf("stdout (-want +got):\n%s", diff)
	}
	if want := []string{"", "c1"}; !slices.Equal(s.Cursors(), want) {
		t.Errorf("cursors = %q, want %q", s.Cursors(), want)
	}
	for _, text := range []string{"live: events from now on", "the connection broke", "retrying in", "2 missed events follow", "to resume: --since=c2\n"} {
		if !strings.Contains(stderr, text) {
			t.Errorf("stderr does not contain %q:\n%s", text, stderr)
		}
	}
}

func TestFollowShowsAReset(t *testing.T) {
	s := &pgheraldtest.Server{Steps: []pgheraldtest.Step{pgheraldtest.Send(pgheraldtest.WithID("x0", pgheraldtest.Sync(`{"mode":"reset","reason":"other_log"}`)), pgheraldtest.WithID("x1", pgheraldtest.Row(1)))}}
	if _, stderr := followAll(t, s, 1); !strings.Contains(stderr, "RESET: events may be missing") {
		t.Errorf("stderr does not mention the reset:\n%s", stderr)
	}
}

func TestPermanentRefusalEndsTheTail(t *testing.T) {
	tests := []struct {
		name string
		step pgheraldtest.Step
		want []string
	}{
		{"400 with a problem", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
			w.WriteHeader(http.StatusBadRequest)
			w.Write([]byte(`{"status":400,"detail":"types is \u001b[2Jempty"}`))
		}, []string{"400 Bad Request", `types is \u001b[2Jempty`, "check --types"}},
		{"401", pgheraldtest.Refuse(http.StatusUnauthorized), []string{"401 Unauthorized", "--header"}},
		{"403", pgheraldtest.Refuse(http.StatusForbidden), []string{"403 Forbidden", "may not follow"}},
		{"404", pgheraldtest.Refuse(http.StatusNotFound), []string{"404 Not Found", "base URL"}},
		{"204", pgheraldtest.Refuse(http.StatusNoContent), []string{"204 No Content", "would not help"}},
		{"no stream", pgheraldtest.Refuse(http.StatusOK, "Content-Type", "text/html"), []string{"the response is text/html", "base URL"}},
		{"no type", pgheraldtest.Refuse(http.StatusOK, "Content-Type", ""), []string{"without a content type"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &pgheraldtest.Server{Steps: []pgheraldtest.Step{test.step}}
			var stdout, stderr strings.Builder
			err := config(t, s, &stdout, &stderr).Run(t.Context())
			if err == nil {
				t.Fatal("Run returned no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error does not contain %q: %v", want, err)
				}
			}
			if len(s.Cursors()) != 1 || stdout.Len() > 0 {
				t.Errorf("%d requests, stdout %q", len(s.Cursors()), stdout.String())
			}
		})
	}
}

func TestFollowSkipsFramesThatAreNotEvents(t *testing.T) {
	s := &pgheraldtest.Server{Steps: []pgheraldtest.Step{pgheraldtest.Send("data: \x1b[2J\n\n", "event: x\ndata: {\ndata: \"id\":7,\"type\":\"t\",\"data\":1}\n\n")}}
	stdout, stderr := followAll(t, s, 1)
	if want := "{ \"id\":7,\"type\":\"t\",\"data\":1}\n"; stdout != want {
		t.Errorf("stdout = %q, want %q", stdout, want)
	}
	if !strings.Contains(stderr, "skipped a frame") || strings.Contains(stderr, "\x1b[2J") {
		t.Errorf("stderr = %q", stderr)
	}
}

// followAll follows until the number of events is printed.
func followAll(t *testing.T, s *pgheraldtest.Server, count int) (stdout, stderr string) {
	t.Helper()
	var out, status strings.Builder
	c := config(t, s, &out, &status)
	c.Count = count
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != count {
		t.Fatalf("printed %d events, want %d; stderr:\n%s", n, count, status.String())
	}
	return out.String(), status.String()
}

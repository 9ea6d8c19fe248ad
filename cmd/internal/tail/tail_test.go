package tail

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/clients/go/pgheraldtest"
)

func TestStreamURL(t *testing.T) {
	tests := []struct{ url, types, since, want string }{
		{url: "http://127.0.0.1:8080", want: "http://127.0.0.1:8080/api/events"},
		{url: "http://127.0.0.1:8080/", want: "http://127.0.0.1:8080/api/events"},
		{url: "localhost:8080", want: "http://localhost:8080/api/events"},
		{url: "https://example.org/pg/", want: "https://example.org/pg/api/events"},
		{url: "https://example.org/pg/api/events?types=a#x", want: "https://example.org/pg/api/events?types=a"},
		{url: "https://example.org/api/events?types=a", types: "b,c", want: "https://example.org/api/events?types=b%2Cc"},
		{url: "http://h", since: "k-1-2", want: "http://h/api/events?since=k-1-2"},
	}
	for _, test := range tests {
		var types []string
		if test.types != "" {
			types = strings.Split(test.types, ",")
		}
		if u, err := StreamURL(test.url, types, test.since); err != nil || u.String() != test.want {
			t.Errorf("%+v: %v, %v", test, u, err)
		}
	}
	for _, bad := range []string{"", "ftp://h", "http://", "http://h:port", "http://user:secret@h:port"} {
		if u, err := StreamURL(bad, nil, ""); err == nil {
			t.Errorf("%q became %v", bad, u)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error contains a secret: %v", err)
		}
	}
}

func TestParseHeader(t *testing.T) {
	h, err := ParseHeader([]string{"A: 1,2", "B:3"})
	if err != nil || h.Get("A") != "1,2" || h.Get("B") != "3" {
		t.Errorf("header = %v, %v", h, err)
	}
	for _, bad := range []string{"secret", ":secret"} {
		if h, err := ParseHeader([]string{bad}); err == nil {
			t.Errorf("%q became %v", bad, h)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error contains a secret: %v", err)
		}
	}
}

// config returns the configuration of a tail of s.
func config(t *testing.T, s *pgheraldtest.Server, stdout, stderr io.Writer) Config {
	t.Helper()
	u, err := url.Parse(s.Serve(t) + eventsPath)
	if err != nil {
		t.Fatal(err)
	}
	return Config{URL: u, IdleTimeout: time.Minute, Stdout: stdout, Stderr: stderr, JSON: true, Color: "never"}
}

func TestRunPrintsHowToResume(t *testing.T) {
	s := &pgheraldtest.Server{Steps: []pgheraldtest.Step{pgheraldtest.Send(pgheraldtest.WithID("c0", pgheraldtest.Sync(`{"mode":"live"}`)), pgheraldtest.WithID("c1", pgheraldtest.Row(1)), pgheraldtest.Row(2))}}
	var stdout, stderr bytes.Buffer
	c := config(t, s, &stdout, &stderr)
	c.Header, c.Count = http.Header{"X-Test": {"1"}}, 2
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.Header().Get("X-Test") != "1" || strings.Count(stdout.String(), "\n") != 2 {
		t.Errorf("request header %v, stdout:\n%s", s.Header(), &stdout)
	}
	if !strings.Contains(stderr.String(), "--since=c1 (the last transaction is incomplete") {
		t.Errorf("stderr does not contain the cursor:\n%s", &stderr)
	}
}

func TestRunReturnsTheErrorOfStdout(t *testing.T) {
	s := &pgheraldtest.Server{Steps: []pgheraldtest.Step{pgheraldtest.Send(pgheraldtest.WithID("c1", pgheraldtest.Row(1)))}}
	closed, w := io.Pipe()
	closed.Close()
	err := config(t, s, w, io.Discard).Run(t.Context())
	if !errors.Is(err, io.ErrClosedPipe) || len(s.Cursors()) != 1 {
		t.Errorf("Run = %v after %d requests", err, len(s.Cursors()))
	}
}

func TestWantsColor(t *testing.T) {
	if !wantsColor("always", io.Discard) || wantsColor("never", io.Discard) || wantsColor("auto", io.Discard) {
		t.Error("--color is wrong without a terminal")
	}
}

package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/alecthomas/kong"
)

func TestTailURL(t *testing.T) {
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
		c := tailCmd{URL: test.url, Since: test.since}
		if test.types != "" {
			c.Types = strings.Split(test.types, ",")
		}
		if u, err := c.streamURL(); err != nil || u.String() != test.want {
			t.Errorf("%+v: %v, %v", test, u, err)
		}
	}
	for _, bad := range []string{"", "ftp://h", "http://", "http://h:port", "http://user:secret@h:port"} {
		c := tailCmd{URL: bad}
		if u, err := c.streamURL(); err == nil {
			t.Errorf("%q became %v", bad, u)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells a secret: %v", err)
		}
	}
}

func TestTailFlags(t *testing.T) {
	t.Setenv("PGHERALD_URL", "http://from.env")
	parse := func(args ...string) (tailCmd, error) {
		var c tailCmd
		parser, err := kong.New(&c)
		if err != nil {
			t.Fatal(err)
		}
		_, err = parser.Parse(args)
		return c, err
	}
	if c, err := parse(); err != nil || c.URL != "http://from.env" || c.IdleTimeout != 75*time.Second {
		t.Errorf("without flags: %+v, %v", c, err)
	}
	c, err := parse("http://h", "--types=a,b", "-n3", "-H", "A: 1,2", "-H", "B:3")
	if err != nil || c.URL != "http://h" || len(c.Types) != 2 || c.Count != 3 {
		t.Errorf("with flags: %+v, %v", c, err)
	}
	if h, err := c.headers(); err != nil || h.Get("A") != "1,2" || h.Get("B") != "3" {
		t.Errorf("headers = %v, %v", h, err)
	}
	for _, bad := range []string{"--count=-1", "--types=a,,b", "--header=secret", "--header=:x", "--idle-timeout=0s", "--color=blue", "gopher://h"} {
		if c, err := parse(bad); err == nil {
			t.Errorf("%s was accepted: %+v", bad, c)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells a secret: %v", err)
		}
	}
}

func TestTailRun(t *testing.T) {
	s := &script{steps: []step{sends(at("c0", syncFrame(`{"mode":"live"}`)), at("c1", row(1)), row(2))}}
	var stdout, stderr bytes.Buffer
	c := tailCmd{URL: s.serve(t), JSON: true, Types: []string{"order_created"}, Count: 2, IdleTimeout: time.Minute, Color: "never"}
	if err := c.Run(&app{ctx: t.Context(), stdout: &stdout, stderr: &stderr}); err != nil {
		t.Fatal(err)
	}
	if s.types[0] != "order_created" || strings.Count(stdout.String(), "\n") != 2 {
		t.Errorf("types %q, stdout:\n%s", s.types, &stdout)
	}
	if !strings.Contains(stderr.String(), "--since=c1 (the last transaction was not complete") {
		t.Errorf("stderr does not say how to go on:\n%s", &stderr)
	}
}

func TestTailRunFailsWhenStdoutDoes(t *testing.T) {
	s := &script{steps: []step{sends(at("c1", row(1)))}}
	c := tailCmd{URL: s.serve(t), IdleTimeout: time.Minute}
	closed, w := io.Pipe()
	closed.Close()
	err := c.Run(&app{ctx: t.Context(), stdout: w, stderr: io.Discard})
	if !errors.Is(err, io.ErrClosedPipe) || len(s.cursors) != 1 {
		t.Errorf("Run = %v after %d requests", err, len(s.cursors))
	}
}

func TestReadFramesTakesLargeEvents(t *testing.T) {
	data := strings.Repeat("x", 8<<20)
	for name, r := range map[string]io.Reader{
		"at once": strings.NewReader("data: " + data + "\n\n"),
		"in bits": iotest.HalfReader(strings.NewReader("data: " + data + "\r\n\r\n")),
	} {
		var got []tailFrame
		err := readFrames(r, maxEvent, func(time.Duration) {}, func(f tailFrame) error { got = append(got, f); return nil })
		if !errors.Is(err, io.EOF) || len(got) != 1 || got[0].data != data {
			t.Errorf("%s: %d frames, %v", name, len(got), err)
		}
	}
}

func TestReadFramesRefusesTooLargeOnes(t *testing.T) {
	one := strings.Repeat("x", 5000)
	for name, text := range map[string]string{
		"one line":   "data: " + one + one + "\n\n",
		"many lines": strings.Repeat("data: "+one[:100]+"\n", 100) + "\n",
	} {
		err := readFrames(strings.NewReader(text), 8000, func(time.Duration) {}, func(tailFrame) error { return nil })
		if !errors.Is(err, errEventTooLong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadFramesReadsRetry(t *testing.T) {
	var got []time.Duration
	text := "retry: 2713\n\nretry:5\r\ndata: retry: 6\n\nretry: soon\nretry: -1\nretry: 99999999999\n\nretry: 7"
	readFrames(strings.NewReader(text), 1<<20, func(d time.Duration) { got = append(got, d) }, func(tailFrame) error { return nil })
	if len(got) != 2 || got[0] != 2713*time.Millisecond || got[1] != 5*time.Millisecond {
		t.Errorf("retry = %v", got)
	}
}

func TestWantsColor(t *testing.T) {
	if !wantsColor("always", io.Discard) || wantsColor("never", io.Discard) || wantsColor("auto", io.Discard) {
		t.Error("--color is not heeded where there is no terminal")
	}
}

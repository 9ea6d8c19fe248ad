package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestTailFlags(t *testing.T) {
	t.Setenv("PGHERALD_URL", "http://from.env")
	parse := func(args ...string) (tailCmd, error) {
		var c tailCmd
		parser, err := newParser(&c, newResolver())
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
	if err != nil {
		t.Fatal(err)
	}
	config, err := c.config()
	if err != nil || config.URL.String() != "http://h/api/events?types=a%2Cb" || config.Count != 3 {
		t.Errorf("with flags: %+v, %v", config, err)
	}
	if h := config.Header; h.Get("A") != "1,2" || h.Get("B") != "3" {
		t.Errorf("header = %v", h)
	}
	for _, bad := range []string{"--count=-1", "--types=a,,b", "--header=secret", "--header=:x", "--idle-timeout=0s", "--color=blue", "gopher://h"} {
		if c, err := parse(bad); err == nil {
			t.Errorf("%s was accepted: %+v", bad, c)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error contains a secret: %v", err)
		}
	}
}

func TestTailRuns(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "id: c1\ndata: {\"id\":1,\"type\":\""+r.URL.Query().Get("types")+"\",\"data\":{}}\n\n")
	}))
	defer server.Close()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"tail", server.URL, "--json", "--types=order_created", "--count=1"}, &stdout, &stderr)
	if code != 0 || stdout.String() != `{"id":1,"type":"order_created","data":{}}`+"\n" {
		t.Errorf("exit code %d, stdout:\n%sstderr:\n%s", code, &stdout, &stderr)
	}
}

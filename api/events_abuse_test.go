package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pgherald/pgherald/api/problem"
)

// request sends a request without a body and returns the response and its body.
func (s *streamServer) request(method, target string, header ...string) (*http.Response, string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), waitLimit)
	defer cancel()
	response := s.send(ctx, method, target, header...)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	return response, string(body)
}

// expectProblem sends a request and expects a problem whose detail contains the text.
func (s *streamServer) expectProblem(status int, text, method, target string, header ...string) *http.Response {
	s.Helper()
	response, body := s.request(method, target, header...)
	var p problem.Problem
	err := json.Unmarshal([]byte(body), &p)
	kind := response.Header.Get("Content-Type")
	if err != nil || response.StatusCode != status || p.Status != status || kind != "application/problem+json" {
		s.Errorf("%s %s: %d %s %s, %v, want problem %d", method, target, response.StatusCode, kind, body, err, status)
	}
	if !strings.Contains(p.Detail, text) {
		s.Errorf("%s %s: detail %q, want %q", method, target, p.Detail, text)
	}
	return response
}

func TestInvalidQueries(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	for query, text := range map[string]string{
		"type=a":                "query parameter type is unknown",
		"Types=a":               "query parameter Types is unknown",
		"types=a&limit=1":       "query parameter limit is unknown",
		"%00=1":                 "is unknown",
		"batch=1s&batch=2s":     "query parameter batch is given 2 times",
		"batch=":                "query parameter batch must be a time from 10ms to 10s, such as 250ms",
		"batch=9ms":             "query parameter batch must be a time from 10ms to 10s, such as 250ms",
		"batch=10001ms":         "query parameter batch must be a time from 10ms to 10s, such as 250ms",
		"batch=-1s":             "query parameter batch must be a time",
		"batch=250":             "query parameter batch must be a time",
		"conflate=true":         "query parameter conflate must be 1",
		"conflate=1&conflate=1": "query parameter conflate must be 1",
		"key=":                  "query parameter key is empty",
		"where=HQ":              "query parameter where is unknown: use since, lastEventId, user, types, collection, q.NAME, key, where.FIELD, any, batch, conflate, max or wait",
		"where.=HQ":             "query parameter where. names no field",
		"Key=1":                 "query parameter Key is unknown",
		"where." + strings.Repeat("x", 2000) + "=": "x… names a field of more than 1000 bytes",
		"types=":                               "empty type",
		"types":                                "empty type",
		"types=a,,b":                           "empty type",
		"types=a,":                             "empty type",
		"types=" + strings.Repeat("a,", 64):    "are too many",
		"types=a&types=":                       "empty type",
		"types=%zz":                            "the query string is malformed",
		"types=a;since=b":                      "the query string is malformed",
		"types=" + strings.Repeat(",", 50_000): "are too many",
	} {
		t.Run(query[:min(len(query), 20)], func(t *testing.T) {
			s.forTest(t).expectProblem(http.StatusBadRequest, text, http.MethodGet, "/api/events?"+query)
		})
	}
}

func TestUnsupportedMethods(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		response := s.expectProblem(http.StatusMethodNotAllowed, method+" is not supported here: use GET", method, "/api/events")
		if allow := response.Header.Get("Allow"); allow != "GET, HEAD" {
			t.Errorf("%s: Allow %q", method, allow)
		}
	}
	s.expectProblem(http.StatusNotFound, "nothing is here", http.MethodGet, "/api/event")
}

// A repeated parameter types adds up.
func TestTypesAreRepeatable(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	l := s.openSynced("?types=a&types=b,c")
	for _, kind := range []string{"a", "x", "b", "c"} {
		s.commit(kind)
	}
	for _, kind := range []string{"a", "b", "c"} {
		if block := l.readUntil(""); !strings.Contains(block, `"type":"`+kind+`"`) {
			t.Errorf("want %s, got %s", kind, block)
		}
	}
}

// A middleware may hide the deadlines of the connection. Then no stream opens, and no second response is written.
func TestWriterWithoutDeadlines(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	recorder := s.serveWithoutNetwork(http.MethodGet, "/api/events")
	if got := recorder.Body.String(); strings.Contains(got, "{") {
		t.Errorf("body %q", got)
	}
	s.logs.await(t, 1, "stream closed", "not supported")
}

// Clients that disconnect right after their request leak nothing.
func TestClientsThatDisconnectAtOnce(t *testing.T) {
	const clients = 1000
	before := goleak.IgnoreCurrent()
	closed := make(chan struct{}, clients+1)
	s := newStreamServer(t, streamServerOptions{server: func(h *http.Server) {
		h.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed || state == http.StateHijacked {
				closed <- struct{}{}
			}
		}
	}})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range clients / 8 {
				s.dial("GET /api/events HTTP/1.1\r\nHost: pgherald\r\n\r\n").Close()
			}
		})
	}
	wg.Wait()
	for n := range clients {
		select {
		case <-closed:
		case <-time.After(waitLimit):
			t.Fatalf("%d of %d connections ended", n, clients)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	s.api.Wait(ctx) // waits for hijacked connections
	if got := s.stats(); got.ActiveConnections != 0 || len(got.ConnectionsByUser) != 0 {
		t.Errorf("connections leak: %+v", got)
	}
	if n, _ := s.logs.count("superfluous"); n > 0 {
		t.Errorf("%d responses were begun twice:\n%s", n, s.logs)
	}
	s.commit("a")
	s.openSynced("?since=k3f9-0").disconnect()
	s.shutDown()
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}

// Headers that never end do not hold a connection, and delay no other client. They arrive at a second web server of the same
// API, because the short header timeout would hurry the healthy client too.
func TestSlowHeaders(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	healthy := s.openSynced("")
	impatient := s.forTest(t)
	impatient.web = httptest.NewUnstartedServer(s.api.Handler())
	impatient.web.Config.ReadHeaderTimeout = 50 * time.Millisecond
	impatient.web.Start()
	t.Cleanup(impatient.web.Close)
	conn := impatient.dial("")
	_, _ = io.WriteString(conn, "GET /api/events HTTP/1.1\r\nHost: pgherald\r\nX-Slow: ") // may fail: the timeout may have passed
	answer, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the server holds the connection")
	}
	if first, _, _ := strings.Cut(string(answer), "\n"); len(answer) > 0 && !strings.Contains(first, "408") {
		t.Errorf("response %q", first)
	}
	s.commit("a")
	healthy.readUntil("id: ")
}

// A minimal HTTP/1.0 request opens a stream.
func TestHandwrittenRequest(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	conn := s.dial("GET /api/events HTTP/1.0\r\n\r\n")
	in := bufio.NewReader(conn)
	for _, want := range []string{"HTTP/1.0 200 OK\r\n", "retry: 2713\n", "id: k3f9-0~2s\n"} {
		for line := ""; line != want; {
			var err error
			if line, err = in.ReadString('\n'); err != nil {
				t.Fatalf("wait for %q: %v", want, err)
			}
		}
	}
}

package api_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/status"
)

// stats returns the response of GET /api/stats.
func (s *streamServer) stats() api.Stats {
	s.Helper()
	response, body := s.request(http.MethodGet, "/api/stats")
	var stats api.Stats
	if err := json.Unmarshal([]byte(body), &stats); err != nil || response.StatusCode != http.StatusOK {
		s.Fatalf("stats: %d %s, %v", response.StatusCode, body, err)
	}
	return stats
}

func TestStatsCountStreams(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	none := api.Stats{ConnectionsByUser: map[string]int{}, Feed: s.feed.Stats()}
	if diff := cmp.Diff(none, s.stats()); diff != "" {
		t.Errorf("without streams (-want +got):\n%s", diff)
	}
	first, second := s.openSynced(""), s.openSynced("?types=a")
	two := api.Stats{TotalConnections: 2, ActiveConnections: 2, ConnectionsByUser: map[string]int{"anonymous": 2}, Feed: s.feed.Stats()}
	if diff := cmp.Diff(two, s.stats()); diff != "" {
		t.Errorf("with two streams (-want +got):\n%s", diff)
	}
	first.disconnect()
	s.logs.await(t, 1, "stream closed", "reason=client_gone")
	second.disconnect()
	s.logs.await(t, 2, "stream closed", "reason=client_gone")
	s.request(http.MethodGet, "/api/events?nonsense=1") // opens no stream
	s.shutDown()                                        // returns after all handlers have
	recorder := s.serveWithoutNetwork(http.MethodGet, "/api/stats")
	var gone api.Stats
	if err := json.Unmarshal(recorder.Body.Bytes(), &gone); err != nil {
		t.Fatal(err)
	}
	if gone.TotalConnections != 2 || gone.ActiveConnections != 0 || len(gone.ConnectionsByUser) != 0 {
		t.Errorf("after the streams: %+v", gone)
	}
}

func TestStatsShowTheFeed(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{feed: stream.FeedOptions{Bytes: 1 << 20}})
	l := s.openSynced("")
	s.commit("a", "a")
	s.commit("b")
	l.readUntil(`"b"`)
	got := s.stats().Feed
	if got.Bytes <= 0 || got.Bytes > got.Limit {
		t.Errorf("bytes: %+v", got)
	}
	got.Bytes = 0
	got.Cursor, _, _ = strings.Cut(got.Cursor, "~") // the LSN depends on when the feed read
	want := stream.FeedStats{Cursor: "k3f9-ji", Floor: "k3f9-0~2s", Transactions: 2, Limit: 1 << 20, Events: 3, CatchUpLimit: 64 << 20}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("feed (-want +got):\n%s", diff)
	}
}

// The original design document defines the names; dashboards read them.
func TestStatsNames(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) {
		o.add(api.Listening{
			Listener: func() status.Listener { return status.Listener{Live: true, RoundTrip: 250 * time.Microsecond} },
			Leader: func() status.Leader {
				holder := status.LockHolder{PID: 7, Role: "r", Application: "psql", Mode: "ShareLock", Since: time.UnixMilli(0).UTC()}
				return status.Leader{State: status.Leading, Terms: 3, LockHolder: &holder}
			},
		}, api.Pruning{Status: func() status.Pruner { return status.Pruner{Pruned: 1, Failures: 2, Skipped: 3} }})
	}})
	response, body := s.request(http.MethodGet, "/api/stats")
	const want = `{"totalConnections":0,"activeConnections":0,"connectionsByUser":{},"feed":{"cursor":"k3f9-0~2s","floor":"k3f9-0~2s",` +
		`"transactions":0,"bytes":0,"limit":67108864,"events":0,"withheld":0,"resets":0,"unannounced":0,"catchUps":0,` +
		`"catchUpBytes":0,"catchUpLimit":67108864,"catchUpsWaiting":0,"catchUpsInterrupted":0,"filterBytes":0},` +
		`"listener":{"live":true,"roundTripMs":0.25,"leader":{"state":"leading","terms":3,` +
		`"lockHolder":{"pid":7,"role":"r","application":"psql","mode":"ShareLock","since":"1970-01-01T00:00:00Z"}}},` +
		`"pruner":{"pruned":1,"failures":2,"skipped":3}}` + "\n"
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if h := response.Header; h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", h)
	}
}

// Drift is a warning: the server stays ready, since events of other tables arrive.
func TestDriftIsAWarning(t *testing.T) {
	var found status.Triggers
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) {
		o.add(api.Triggers{Status: func() status.Triggers { return found }})
	}})
	if _, body := s.request(http.MethodGet, "/readyz"); strings.TrimSpace(body) != `{"status":"ready"}` {
		t.Errorf("without drift: %s", body)
	}
	found.Drift = []status.TriggerDrift{{Kind: "unlogged", Warning: true}}
	if _, body := s.request(http.MethodGet, "/readyz"); strings.TrimSpace(body) != `{"status":"ready"}` {
		t.Errorf("with drift that loses no event: %s", body)
	}
	found = status.Triggers{Checked: time.UnixMilli(0).UTC(), Drift: []status.TriggerDrift{
		{Table: "public.orders", Kind: "missing", Problem: "p", Remedy: "r", Since: time.UnixMilli(0).UTC()},
	}}
	response, body := s.request(http.MethodGet, "/readyz")
	const warning = `{"status":"ready","warning":"triggers differ from the spec: see /api/stats or run pgherald check"}`
	if strings.TrimSpace(body) != warning || response.StatusCode != http.StatusOK {
		t.Errorf("with drift: %d %s", response.StatusCode, body)
	}
	_, body = s.request(http.MethodGet, "/api/stats")
	const want = `"triggers":{"checkedAt":"1970-01-01T00:00:00Z","failures":0,"drift":[{"table":"public.orders","kind":"missing",` +
		`"problem":"p","remedy":"r","since":"1970-01-01T00:00:00Z"}]}`
	if !strings.Contains(body, want) {
		t.Errorf("stats %s, want %s", body, want)
	}
}

func TestHealthAndReadiness(t *testing.T) {
	var reason error
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) { o.Ready = func() error { return reason } }})
	is := func(path string, status int, body string) {
		t.Helper()
		response, got := s.request(http.MethodGet, path)
		if response.StatusCode != status || strings.TrimSpace(got) != body {
			t.Errorf("%s: %d %s, want %d %s", path, response.StatusCode, got, status, body)
		}
		if head, got := s.request(http.MethodHead, path); head.StatusCode != status || got != "" {
			t.Errorf("HEAD %s: %d %q", path, head.StatusCode, got)
		}
	}
	const ok, ready = `{"status":"ok"}`, `{"status":"ready"}`
	is("/livez", http.StatusOK, ok)
	is("/healthz", http.StatusOK, ok)
	is("/readyz", http.StatusOK, ready)
	is("/readyz/fresh", http.StatusOK, ready)
	is("/readyz/events", http.StatusOK, ready)
	reason = errors.New("the listener is not live")
	is("/readyz", http.StatusOK, ready)
	is("/readyz/fresh", http.StatusOK, ready)
	is("/readyz/events", http.StatusServiceUnavailable, `{"status":"not ready","reason":"the listener is not live"}`)
	is("/livez", http.StatusOK, ok)
	reason = nil
	s.api.Drain(0)
	s.api.Drain(0) // idempotent
	for _, path := range []string{"/readyz", "/readyz/fresh", "/readyz/events"} {
		is(path, http.StatusServiceUnavailable, `{"status":"draining"}`)
	}
	is("/livez", http.StatusOK, ok)
}

// Events do not arrive while the log cannot be read.
func TestReadinessFollowsTheLog(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	l := s.openSynced("")
	s.log.Break(errors.New("connection refused"))
	s.wakeFeed()
	s.logs.await(t, 1, "log became unreadable", "connection refused")
	if response, body := s.request(http.MethodGet, "/readyz/events"); response.StatusCode != 503 || !strings.Contains(body, "connection refused") {
		t.Errorf("during the outage: %d %s", response.StatusCode, body)
	}
	s.log.Break(nil)
	s.commit("a")
	l.readUntil("id: ")
	s.logs.await(t, 1, "log became readable again")
	if response, body := s.request(http.MethodGet, "/readyz/events"); response.StatusCode != 200 {
		t.Errorf("after the outage: %d %s", response.StatusCode, body)
	}
}

// Ready, which the metrics report, agrees with /readyz.
func TestReadyWhileDraining(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	if err := s.api.Ready(); err != nil {
		t.Errorf("not ready before the drain: %v", err)
	}
	s.api.Drain(time.Second)
	if err := s.api.Ready(); err == nil {
		t.Error("ready while draining")
	}
}

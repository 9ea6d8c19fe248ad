package api_test

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/api/admission"
)

// An EventSource that continues gets a stream that ends at once in place of a refusal that will pass. Others get the problem.
func TestRefusalOfAStreamThatContinues(t *testing.T) {
	s, m := newLimitedServer(t, admission.Options{Total: 1, PerUser: 1})
	s.openSynced("")
	const eventStream = "text/event-stream"
	for _, continues := range []struct {
		target string
		header []string
	}{
		{"", []string{"Last-Event-ID", "k3f9-5", "Accept", eventStream}},
		{"?lastEventId=k3f9-5", []string{"Accept", "text/html, Text/Event-Stream;q=0.9"}},
		{"?since=k3f9-1&types=nonsense", []string{"Last-Event-ID", "k3f9-5", "Accept", eventStream}},
	} {
		response, body := s.request(http.MethodGet, "/api/events"+continues.target, continues.header...)
		retry := regexp.MustCompile(`^retry: (\d+)\n\n: limit_total [^\n]+\n\n$`).FindStringSubmatch(body)
		if response.StatusCode != 200 || response.Header.Get("Content-Type") != eventStream || retry == nil {
			t.Errorf("%v: %d, %q", continues, response.StatusCode, body)
			continue
		}
		after, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		if ms, _ := strconv.Atoi(retry[1]); after < 5 || ms < 1000*after || ms >= 1000*after+3000 {
			t.Errorf("retry after %s ms, Retry-After %d", retry[1], after)
		}
	}
	for _, header := range [][]string{
		{"Accept", eventStream}, {"Last-Event-ID", "k3f9-5"}, {"Last-Event-ID", "k3f9-5", "Accept", "*/*"},
		{"Last-Event-ID", "k3f9-5", "Accept", "application/json"},
		{"Last-Event-ID", "k3f9-5", "Accept", eventStream + ", application/problem+json"},
	} {
		s.expectRejection(http.StatusServiceUnavailable, "limit_total", "?since=k3f9-1", header...)
	}
	if response, _ := s.request(http.MethodHead, "/api/events", "Last-Event-ID", "k3f9-5", "Accept", eventStream); response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("HEAD: %d", response.StatusCode)
	}
	if got := scrape(m); !strings.Contains(got, `pgherald_connections_rejected_total{limit="total"} 9`) {
		t.Errorf("9 rejections are not counted in\n%s", got)
	}
	one, _ := newLimitedServer(t, admission.Options{PerUser: 1})
	one.openSynced("?user=ann")
	if response, body := one.request(http.MethodGet, "/api/events?user=ann", "Last-Event-ID", "k3f9-5", "Accept", eventStream); response.StatusCode != 200 || !strings.Contains(body, ": limit_user") {
		t.Errorf("a limit of the user: %d, %q", response.StatusCode, body)
	}
	if response, _ := one.request(http.MethodGet, "/api/events?nonsense=1", "Last-Event-ID", "k3f9-5", "Accept", eventStream); response.StatusCode != 400 {
		t.Errorf("a mistake of the client: %d", response.StatusCode)
	}
}

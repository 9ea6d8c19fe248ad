package chart

import (
	"net/http"
	"os"
	"strings"
	"testing"

	gateway "sigs.k8s.io/gateway-api/apis/v1"
)

// TestRoute checks which Service gets which request, by the order of precedence that the Gateway API has for matches.
func TestRoute(t *testing.T) {
	const servers, edges = "release-pgherald", "release-pgherald-edge"
	requests := []struct{ method, path, want string }{
		{http.MethodGet, "/api/events", edges},
		{http.MethodPost, "/api/events", servers}, // publishes
		{http.MethodOptions, "/api/events", servers},
		{http.MethodPost, "/api/events/9f3c/token", edges},
		{http.MethodPost, "/api/tickets", edges},
		{http.MethodGet, "/api/log", servers},
		{http.MethodGet, "/api/collections/orders", servers},
		{http.MethodGet, "/", servers},
	}
	text, err := os.ReadFile("testdata/edges/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, hasEdges := range []bool{true, false} {
		values := parse(t, string(text))
		values["edges"] = map[string]any{"enabled": hasEdges}
		route := route(t, mustRender(t, values))
		for _, r := range requests {
			if !hasEdges {
				r.want = servers
			}
			if got := backend(route, r.method, r.path); got != r.want {
				t.Errorf("edges: %v: %s %s goes to %q, want %q", hasEdges, r.method, r.path, got, r.want)
			}
		}
	}
}

// route returns the route among documents.
func route(t *testing.T, documents []string) *gateway.HTTPRoute {
	t.Helper()
	for _, document := range documents {
		if route, ok := decode(t, document).(*gateway.HTTPRoute); ok {
			return route
		}
	}
	t.Fatal("the chart makes no HTTPRoute")
	return nil
}

// backend returns the Service that a request goes to.
func backend(route *gateway.HTTPRoute, method, path string) (name string) {
	best := -1
	for _, rule := range route.Spec.Rules {
		for _, match := range rule.Matches {
			if rank := rank(match, method, path); rank > best {
				best, name = rank, string(rule.BackendRefs[0].Name)
			}
		}
	}
	return name
}

// rank returns how far a match goes before others of the same request: an exact path before a prefix, a long prefix before a short
// one, and then one with a method. It is -1 if the match is of other requests.
func rank(match gateway.HTTPRouteMatch, method, path string) int {
	want := *match.Path.Value
	isExact := *match.Path.Type == gateway.PathMatchExact
	prefix := strings.TrimSuffix(want, "/")
	if match.Method != nil && string(*match.Method) != method || path != want && (isExact || !strings.HasPrefix(path, prefix+"/")) {
		return -1
	}
	rank := 2 * len(prefix)
	if isExact {
		rank = 1 << 10
	}
	if match.Method != nil {
		rank++
	}
	return rank
}

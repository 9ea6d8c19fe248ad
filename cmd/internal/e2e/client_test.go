package e2e

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// newHTTPClient returns a client that opens a connection for each request and leaves none behind.
func newHTTPClient(t testing.TB) *http.Client {
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// send makes a GET request. header holds names and values. The body is closed when the test ends.
func send(ctx context.Context, t testing.TB, url string, header ...string) *http.Response {
	t.Helper()
	response, err := newHTTPClient(t).Do(newRequest(ctx, t, url, header...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// get returns the body of a successful response.
func get(ctx context.Context, t testing.TB, url string, header ...string) string {
	t.Helper()
	response := ask(ctx, t, url, header...)
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: status %d, %v\n%s", url, response.StatusCode, err, body)
	}
	return string(body)
}

// postJSON makes a POST request and returns the status.
func postJSON(ctx context.Context, t testing.TB, url, body string, header ...string) int {
	t.Helper()
	return askWith(ctx, t, func() *http.Request {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		return request
	}).StatusCode
}

// openStream opens a stream and returns its lines.
func openStream(ctx context.Context, t testing.TB, url string, header ...string) *bufio.Scanner {
	t.Helper()
	response := ask(ctx, t, url, header...)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s", url, response.Status)
	}
	return bufio.NewScanner(response.Body)
}

// readTo reads lines up to one that contains a text, and returns all of them.
func readTo(t testing.TB, lines *bufio.Scanner, text string) string {
	t.Helper()
	var read strings.Builder
	for lines.Scan() {
		read.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), text) {
			return read.String()
		}
	}
	t.Fatalf("the stream ended before %s: %v, after\n%s", text, lines.Err(), read.String())
	return ""
}

// activity is a valid body for POST /api/activities.
const activity = `{"category":"c","subcategory":"s","location":"l","reporter":"r"}`

// receiveActivity creates an activity while a client listens, and disconnects the client when it has
// received the event.
func receiveActivity(ctx context.Context, t testing.TB, n *node) {
	t.Helper()
	listening, disconnect := context.WithCancel(ctx)
	defer disconnect()
	lines := openStream(listening, t, n.at("/api/events"))
	readTo(t, lines, `"sync"`)
	if status := postJSON(ctx, t, n.at("/api/activities"), activity); status != http.StatusCreated {
		t.Fatalf("POST /api/activities: status %d", status)
	}
	readTo(t, lines, "activity_created")
}

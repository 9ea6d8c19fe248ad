package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// notYet reports whether an answer means "come again". On a machine with other work any server may say so at any time: it looks at
// the database again, no connection is free, a statement took too long, or the client's other requests did. Every other answer is right or wrong.
func notYet(status int) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
}

// askAgain is the time between two requests where the answer was "come again".
const askAgain = 50 * time.Millisecond

// ask makes a GET request until the answer is not "come again". header holds names and values. The body is closed when the test
// ends. A test that expects a 503 or 429 uses send.
func ask(ctx context.Context, t testing.TB, url string, header ...string) *http.Response {
	t.Helper()
	return askWith(ctx, t, func() *http.Request { return newRequest(ctx, t, url, header...) })
}

// askWith does the same with requests of any kind.
func askWith(ctx context.Context, t testing.TB, request func() *http.Request) *http.Response {
	t.Helper()
	response, err := askFrom(ctx, newHTTPClient(t), request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// askFrom does the same with a client, outside the goroutine of a test too. The caller closes the body.
func askFrom(ctx context.Context, client *http.Client, request func() *http.Request) (*http.Response, error) {
	for {
		r := request()
		response, err := client.Do(r)
		if err != nil || !notYet(response.StatusCode) {
			return response, err
		}
		body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<12))
		response.Body.Close()
		if pause(ctx, askAgain); ctx.Err() != nil {
			return nil, fmt.Errorf("%s %s: %s until %w: %s", r.Method, r.URL, response.Status, context.Cause(ctx), body)
		}
	}
}

func newRequest(ctx context.Context, t testing.TB, url string, header ...string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return request
}

package api

import (
	"net/http"
	"strings"
)

// startingPage tells people that the server waits. It loads the address again until a server answers.
const startingPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="2">
<title>pgherald is starting</title>
<h1>pgherald is starting</h1>
<p>The server waits for its database. This page loads again by itself. <a href="/readyz">The reason</a></p>
</html>
`

// wantsPage reports whether a person navigates to an address that has a page once the server has started.
func wantsPage(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && !strings.HasPrefix(r.URL.Path, "/api/") &&
		strings.Contains(strings.ToLower(strings.Join(r.Header.Values("Accept"), ",")), "text/html")
}

// writeStartingPage answers a request that wantsPage.
func writeStartingPage(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept")
	h.Set("Retry-After", "2")
	w.WriteHeader(http.StatusServiceUnavailable)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(startingPage)) // an error means that the client has gone
	}
}

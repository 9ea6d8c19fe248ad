package browser

import (
	"net/http"

	"github.com/pgherald/pgherald/api/problem"
)

// ForeignPages recognizes requests that a page of another origin caused.
type ForeignPages struct{ protection *http.CrossOriginProtection }

// NewForeignPages returns the pages of all origins other than the server's own and the trusted ones, which
// must be valid origins.
func NewForeignPages(trusted ...string) ForeignPages {
	f := ForeignPages{http.NewCrossOriginProtection()}
	for _, origin := range trusted {
		_ = f.protection.AddTrustedOrigin(origin) // cannot fail for a valid origin
	}
	return f
}

// Caused reports whether such a page caused a request, whatever its method: a GET may open a stream, which
// others see in presence, or make a profile. A link that a user follows does not count.
func (f ForeignPages) Caused(r *http.Request) bool {
	h := r.Header
	if isSafe(r.Method) && h.Get("Sec-Fetch-Mode") == "navigate" && h.Get("Sec-Fetch-Dest") == "document" {
		return false
	}
	asWrite := *r // net/http's protection lets every request pass that only reads
	asWrite.Method = http.MethodPost
	return f.protection.Check(&asWrite) != nil
}

// Refuse returns next, and answers the covered requests that foreign pages cause with 403. A page without
// permission could not read the response to a GET, but the request would have its effects.
func (f ForeignPages) Refuse(next http.Handler, isCovered func(*http.Request) bool, detail string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isCovered(r) && f.Caused(r) {
			problem.Write(w, r, &problem.Problem{Status: http.StatusForbidden, Code: "origin", Detail: detail})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isSafe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

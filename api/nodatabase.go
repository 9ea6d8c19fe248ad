package api

import (
	"net/http"
	"strings"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
)

// NoDatabase says that the server has no database: it answers with 501 what only a server with one can, rather than with the
// 404 of a path that no server has. Revocations are among it: without a database, Auth.Revocations can only be read.
type NoDatabase struct{}

func (NoDatabase) addTo(f *features) error {
	get, post := []string{http.MethodGet, http.MethodHead}, []string{http.MethodPost}
	f.elsewhere = nil
	for _, path := range []string{"/api/log", "/api/log/counts", "/api/presence", "/api/operations"} {
		f.elsewhere = append(f.elsewhere, Route{Path: path, Methods: get})
	}
	for _, path := range []string{"/api/events", "/api/revocations", "/api/disconnect"} {
		f.elsewhere = append(f.elsewhere, Route{Path: path, Methods: post})
	}
	f.page = http.HandlerFunc(pageElsewhere)
	return nil
}

// pageElsewhere answers a request for the page, which shows what only a server with a database has.
func pageElsewhere(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		problem.Write(w, r, errNothingHere)
		return
	}
	problem.Write(w, r, errNeedsDatabase)
}

// undescribed begins the names of the routes that the documents leave out.
const undescribed = "undescribed "

// errNeedsDatabase is the problem of a request that only a server with a database can answer.
var errNeedsDatabase = &problem.Problem{Status: http.StatusNotImplemented, Code: "needs_database",
	Detail: "this server has events, and no database: send this request to a server with the database"}

// needsDatabase answers a request that only a server with a database can answer.
func needsDatabase(w http.ResponseWriter, r *http.Request, _ auth.Identity) {
	problem.Write(w, r, errNeedsDatabase)
}

package api

import (
	"errors"
	"net/http"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/limit"
)

// seat is a place for a stream, and who sits there for the log: the connection's address or, behind a
// proxy, the client's.
type seat struct {
	*limit.Seat
	remote string
}

// seated lets a request in as far as limits go, before it costs anything, and then asks who it comes
// from. handle must keep the seat if the stream outlasts it.
func (a *API) seated(handle func(http.ResponseWriter, *http.Request, auth.Identity, *seat)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		free, err := a.config.Limits.Enter(r)
		if err != nil {
			a.turnAway(w, r, err)
			return
		}
		defer free.Done()
		s := &seat{Seat: free, remote: r.RemoteAddr}
		if from, forwarded := free.From(); forwarded {
			s.remote = from.String()
		}
		a.identifiedBy(a.identifyStream, func(w http.ResponseWriter, r *http.Request, id auth.Identity) { handle(w, r, id, s) })(w, r)
	}
}

// turnAway answers whoever a limit has refused.
func (a *API) turnAway(w http.ResponseWriter, r *http.Request, err error) {
	var refusal *limit.Refusal
	if errors.As(err, &refusal) {
		a.config.Metrics.Refused(refusal.Limit)
	}
	a.refuse(w, r, err)
}

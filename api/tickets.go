package api

import (
	"context"
	"net/http"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
)

// issuedTicket is the response of POST /api/tickets.
type issuedTicket struct {
	Ticket  string `json:"ticket"`
	Expires int64  `json:"expires"` // Unix milliseconds
}

// errEndedMeanwhile is the problem of a ticket for an identity from before a disconnect.
var errEndedMeanwhile = &problem.Problem{
	Status: http.StatusServiceUnavailable, Code: "ended_meanwhile", IsExpected: true,
	Detail: "an operator ended your streams during the request: send it again",
}

// issueTicket serves POST /api/tickets.
func (a *API) issueTicket(w http.ResponseWriter, r *http.Request, id auth.Identity) {
	ctx, cancel := context.WithTimeout(r.Context(), databaseTimeout)
	defer cancel()
	ticket, expires, err := a.features.tickets.Issue(ctx, id)
	if err == nil && a.sessions.HasEnded(id) { // pgherald.disconnect did not see the ticket
		err = errEndedMeanwhile
	}
	if err != nil {
		problem.Fail(a.config.Logger, w, r, err)
		return
	}
	request.Respond(w, http.StatusCreated, issuedTicket{Ticket: ticket, Expires: expires.UnixMilli()})
}

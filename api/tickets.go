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

// issueTicket serves POST /api/tickets.
func (a *API) issueTicket(w http.ResponseWriter, r *http.Request, id auth.Identity) {
	ctx, cancel := context.WithTimeout(r.Context(), databaseTimeout)
	defer cancel()
	ticket, expires, err := a.features.tickets.Issue(ctx, id)
	if err != nil {
		problem.Fail(a.config.Logger, w, r, err)
		return
	}
	request.Respond(w, http.StatusCreated, issuedTicket{Ticket: ticket, Expires: expires.UnixMilli()})
}

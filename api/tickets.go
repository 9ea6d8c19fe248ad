package api

import (
	"context"
	"net/http"

	"github.com/pgherald/pgherald/api/auth"
)

// givenTicket is the answer of POST /api/tickets.
type givenTicket struct {
	Ticket  string `json:"ticket"`
	Expires int64  `json:"expires"` // Unix milliseconds
}

// ticket serves POST /api/tickets.
func (a *API) ticket(w http.ResponseWriter, r *http.Request, id auth.Identity) {
	ctx, cancel := context.WithTimeout(r.Context(), transactionTimeout)
	defer cancel()
	ticket, expires, err := a.tickets.Give(ctx, id)
	if err != nil {
		fail(a.config.Logger, w, r, err)
		return
	}
	writeStatus(w, http.StatusCreated, givenTicket{Ticket: ticket, Expires: expires.UnixMilli()})
}

// identifyStream is identify for who opens a stream, and may come with a ticket in place of a token.
// A ticket that does not count is refused, whatever else there is: a client that gave it means it.
func (a *API) identifyStream(r *http.Request) (auth.Identity, error) {
	query := r.URL.Query()
	given := query[auth.TicketParam]
	switch {
	case len(given) == 0 || a.tickets == nil:
		return a.identify(r)
	case len(given) > 1:
		return auth.Identity{}, badParameter(auth.TicketParam, "is given twice")
	case query.Has(auth.URLParam):
		return auth.Identity{}, badParameter(auth.URLParam, "does not go with a ticket")
	}
	ctx, cancel := context.WithTimeout(r.Context(), transactionTimeout)
	defer cancel()
	return a.tickets.Take(ctx, given[0])
}

package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
)

// onlineUser is a user who is online at any server.
type onlineUser struct {
	UserID string       `json:"userId"`
	Since  request.Time `json:"since"`
}

// presencePage is the response of GET /api/presence: all users who are online, ordered by name, and the cursor of the same
// snapshot.
type presencePage struct {
	Users  []onlineUser `json:"users"`
	Cursor string       `json:"cursor"`
}

// presence serves GET /api/presence.
func (a *API) presence(w http.ResponseWriter, r *http.Request, _ auth.Identity) {
	ctx, cancel := context.WithTimeout(r.Context(), databaseTimeout)
	defer cancel()
	online, cursor, err := a.features.presence.List.Online(ctx)
	if err != nil {
		problem.Fail(a.config.Logger, w, r, err)
		return
	}
	page := presencePage{Users: make([]onlineUser, 0, len(online)), Cursor: cursor.String()}
	for user, since := range online {
		page.Users = append(page.Users, onlineUser{UserID: user, Since: request.Time{Time: since}})
	}
	slices.SortFunc(page.Users, func(a, b onlineUser) int { return cmp.Compare(a.UserID, b.UserID) })
	w.Header().Set(request.CursorHeader, page.Cursor)
	request.Respond(w, http.StatusOK, page)
}

package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/api/auth"
)

// Presence is told whose streams are open. Its methods must not wait.
type Presence interface {
	Opened(user string) // a stream of the user has begun
	Closed(user string) // and ended
}

// nobodyAsks is the presence that nobody wants to know.
type nobodyAsks struct{}

func (nobodyAsks) Opened(string) {}
func (nobodyAsks) Closed(string) {}

// onlineUser is somebody who has a stream open at some server, or had until moments ago.
type onlineUser struct {
	UserID string  `json:"userId"`
	Since  instant `json:"since"`
}

// presencePage is everybody who is online. Cursor is the stream's at that moment.
type presencePage struct {
	Users  []onlineUser `json:"users"`
	Cursor string       `json:"cursor"`
}

const presenceSQL = `
select p.user_id, min(p.since) as since
from pgherald.presence as p
group by p.user_id
order by p.user_id collate "C"`

// presence serves GET /api/presence.
func (a *API) presence(w http.ResponseWriter, r *http.Request, _ auth.Identity) {
	page, err := a.online(r.Context())
	if err != nil {
		fail(a.config.Logger, w, r, fmt.Errorf("list who is online: %w", err))
		return
	}
	w.Header().Set(cursorHeader, page.Cursor)
	writeStatus(w, http.StatusOK, page)
}

func (a *API) online(ctx context.Context) (page presencePage, err error) {
	ctx, cancel := context.WithTimeout(ctx, transactionTimeout)
	defer cancel()
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, a.config.Engine, options, func(tx pgx.Tx) error {
		page.Users, err = collect(ctx, tx, scanOnline, presenceSQL, nil)
		if err != nil {
			return err
		}
		head, err := a.config.Head(ctx, tx)
		page.Cursor = head.String()
		return err
	})
	return page, err
}

func scanOnline(row pgx.CollectableRow) (u onlineUser, err error) {
	err = row.Scan(&u.UserID, &u.Since.Time)
	return u, err
}

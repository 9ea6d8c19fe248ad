package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/mux"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/api/auth"
)

// Times of a renewal at another server. Whoever holds the stream answers in some milliseconds.
const (
	renewalPatience = 2 * time.Second
	renewalFirst    = 5 * time.Millisecond // then twice as long each time
)

// maxRenewals is how many may wait to be answered. One that comes on top is not: its client opens
// the stream anew.
const maxRenewals = 1024

// renewal is the answer of POST /api/events/{connection}/token.
type renewal struct {
	Expires int64 `json:"expires"` // Unix milliseconds
}

var (
	errNoConnection = &Problem{Status: http.StatusNotFound, Code: "connection",
		Detail: "no server holds a stream with this connection: open it anew, with the last id"}
	errOtherRights = &Problem{Status: http.StatusConflict, Code: "other_rights",
		Detail: "the token is of another user than the stream's, or grants something else: open the stream anew with it, and with the last id"}
)

// renew serves POST /api/events/{connection}/token: the stream goes on in its place with a new token.
func (a *API) renew(w http.ResponseWriter, r *http.Request, id auth.Identity) {
	until, err := a.renewHere(mux.Vars(r)["connection"], id)
	if errors.Is(err, errNoConnection) && a.config.Engine != nil {
		until, err = a.renewElsewhere(r.Context(), mux.Vars(r)["connection"], id)
	}
	if err != nil {
		fail(a.config.Logger, w, r, err)
		return
	}
	writeStatus(w, http.StatusOK, renewal{Expires: until.UnixMilli()})
}

func (a *API) renewHere(connection string, id auth.Identity) (time.Time, error) {
	has, _, ok := a.leases.find(connection)
	if ok && has != rightsOf(id) {
		return time.Time{}, errOtherRights
	}
	until, ok := a.leases.renew(connection, id.Expires)
	if !ok {
		return time.Time{}, errNoConnection
	}
	return until, nil
}

// The channel is db.ControlChannel. Those who ask take along what was asked before.
const askSQL = `
with pruned as (
    delete from pgherald.renewals as r
    where r.requested_at < now() - interval '1 minute'
        and r.connection <> @connection
),
requested as (
    insert into pgherald.renewals as r (connection, rights_hash, until)
    values (@connection, @rights, @until)
    on conflict (connection) do update
    set rights_hash = excluded.rights_hash, until = excluded.until, requested_at = excluded.requested_at, accepted = null
    returning r.connection
)
select pg_notify('pgherald_control', r.connection)
from requested as r`

const answeredSQL = `
select r.accepted, r.until
from pgherald.renewals as r
where r.connection = @connection
    and r.rights_hash = @rights
    and r.accepted is not null`

// renewElsewhere asks the server that holds the stream, whichever that is.
func (a *API) renewElsewhere(ctx context.Context, connection string, id auth.Identity) (time.Time, error) {
	if len(connection) != connectionLength {
		return time.Time{}, errNoConnection // and no reason to wait
	}
	ctx, cancel := context.WithTimeout(ctx, transactionTimeout)
	defer cancel()
	has := rightsOf(id)
	args := pgx.NamedArgs{"connection": connection, "rights": has[:], "until": id.Expires}
	if _, err := a.config.Engine.Exec(ctx, askSQL, args); err != nil {
		return time.Time{}, fmt.Errorf("ask for a renewal: %w", err)
	}
	deadline := time.Now().Add(a.patience)
	for wait := renewalFirst; time.Now().Before(deadline); wait *= 2 {
		if err := pause(ctx, wait); err != nil {
			return time.Time{}, err
		}
		var renewed bool
		var until time.Time
		err := a.config.Engine.QueryRow(ctx, answeredSQL, args).Scan(&renewed, &until)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
		case err != nil:
			return time.Time{}, fmt.Errorf("wait for a renewal: %w", err)
		case !renewed:
			return time.Time{}, errOtherRights
		default:
			return until, nil
		}
	}
	return time.Time{}, errNoConnection
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Renewal tells that somebody asks for a connection to be renewed. Most are held by other servers.
// It does not wait.
func (a *API) Renewal(connection string) {
	if _, _, ok := a.leases.find(connection); !ok {
		return
	}
	select {
	case a.renewals <- connection:
	default:
	}
}

// RunRenewals answers until ctx ends what Renewal has told of.
func (a *API) RunRenewals(ctx context.Context) {
	for {
		select {
		case connection := <-a.renewals:
			if err := a.answerRenewal(ctx, connection); err != nil && ctx.Err() == nil {
				a.config.Logger.Warn("renewal not answered", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// Whoever asked is told when the stream ends, which may be later than what they asked for.
const answerSQL = `
update pgherald.renewals as r
set accepted = (r.rights_hash = @rights),
    until = greatest(r.until, @end)
where r.connection = @connection
    and r.accepted is null
returning r.accepted, r.until`

// answerRenewal renews the stream if the question is there and the token is the right one. The end is
// put off first: who is told so must not be able to find that it is not.
func (a *API) answerRenewal(ctx context.Context, connection string) error {
	has, end, ok := a.leases.find(connection)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.patience)
	defer cancel()
	args := pgx.NamedArgs{"connection": connection, "rights": has[:], "end": end}
	err := pgx.BeginFunc(ctx, a.config.Engine, func(tx pgx.Tx) error {
		var renewed bool
		var until time.Time
		err := tx.QueryRow(ctx, answerSQL, args).Scan(&renewed, &until)
		if err != nil || !renewed {
			return err
		}
		if _, ok := a.leases.renew(connection, until); !ok {
			return pgx.ErrNoRows // it has just ended
		}
		return nil
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // somebody rang without asking
	}
	return err
}

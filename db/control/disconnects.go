package control

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream/identity"
)

const disconnectSQL = `
select pgherald.disconnect(
    user_id => nullif(@user, ''),
    jti => nullif(@jti, ''),
    issued_before => @issued_before,
    until => @until
)`

// Disconnect stores a disconnect, notifies all servers, and returns its id. For an invalid argument the error is a
// *pgconn.PgError with SQLSTATE 22023.
func (r *Revocations) Disconnect(ctx context.Context, d identity.Disconnect) (id int64, err error) {
	err = r.pool.QueryRow(ctx, disconnectSQL, pgx.NamedArgs{
		"user": d.User, "jti": d.TokenID, "issued_before": nullIfZero(d.IssuedBefore), "until": nullIfZero(d.Until),
	}).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("end streams: %w", err)
	}
	return id, nil
}

// countEndedSQL adds what a server has ended.
const countEndedSQL = `
update pgherald.disconnects as d
set streams = d.streams + @streams,
    servers = d.servers + 1
where d.id = @id`

// CountEnded records that this server has read a disconnect, and how many streams it ended.
func (r *Revocations) CountEnded(ctx context.Context, id int64, streams int) error {
	if _, err := r.pool.Exec(ctx, countEndedSQL, pgx.NamedArgs{"id": id, "streams": streams}); err != nil {
		return fmt.Errorf("count the streams that ended: %w", err)
	}
	return nil
}

// endedSQL counts the servers that run as the list of servers does.
const endedSQL = `
select
    d.streams,
    d.servers,
    (
        select count(*)::integer
        from pgherald.replicas as r
        where r.stopped_at is null
            and r.last_seen > clock_timestamp() - make_interval(secs => @expiry)
    )
from pgherald.disconnects as d
where d.id = @id`

// Ended returns how far a disconnect is.
func (r *Revocations) Ended(ctx context.Context, id int64) (e identity.Ended, err error) {
	args := pgx.NamedArgs{"id": id, "expiry": PresenceOptions{}.withDefaults().Expiry.Seconds()}
	if err := r.pool.QueryRow(ctx, endedSQL, args).Scan(&e.Streams, &e.Servers, &e.Running); err != nil {
		return e, fmt.Errorf("read how many streams ended: %w", err)
	}
	return e, nil
}

// parseDisconnects parses what the read of the revocations returns beside them.
func parseDisconnects(text []byte) ([]identity.Disconnect, error) {
	var rows []struct {
		ID           int64
		JTI          string     `json:"jti"`
		User         string     `json:"user_id"`
		IssuedBefore *time.Time `json:"issued_before"`
		Until        *time.Time `json:"until"`
		IsNew        bool       `json:"is_new"`
	}
	if err := json.Unmarshal(text, &rows); err != nil {
		return nil, fmt.Errorf("read the disconnects: %w", err)
	}
	list := make([]identity.Disconnect, len(rows))
	for i, row := range rows {
		list[i] = identity.Disconnect{ID: row.ID, TokenID: row.JTI, User: row.User, IsNew: row.IsNew}
		if row.IssuedBefore != nil {
			list[i].IssuedBefore = *row.IssuedBefore
		}
		if row.Until != nil {
			list[i].Until = *row.Until
		}
	}
	return list, nil
}

package control

import (
	"time"

	"github.com/jackc/pgx/v5"
)

// observed is a row of pgherald.replicas.
type observed struct {
	id       string
	lastSeen time.Time
	stopped  bool // the server has handed over: it stops, and does not come back
}

// replicaWatch decides which servers are dead. It trusts only what this server has seen itself: a server is dead if
// its row has not changed while this one has read it again and again, for the whole expiry interval.
//
// The time in the row is no proof: during an outage of the database no server could write there, after a failover it
// may be an old one, and the database's clock may jump. In each of these cases every server gets a whole interval to
// write again.
type replicaWatch struct {
	expiry, grace time.Duration
	gap           time.Duration // between two observations, above which the earlier ones do not count

	seenAt   time.Time // the last observation; zero after a failure
	replicas map[string]unchanged
}

// unchanged says since when this server has seen the same row.
type unchanged struct {
	row   observed
	since time.Time
}

// forget discards all observations. Call it when the database could not be reached.
func (w *replicaWatch) forget() { w.seenAt, w.replicas = time.Time{}, nil }

// isDue reports whether the last observation was an interval ago.
func (w *replicaWatch) isDue(now time.Time, interval time.Duration) bool {
	return w.seenAt.IsZero() || now.Sub(w.seenAt) >= interval
}

// observe records the rows of all other servers and returns the ids of those that are dead.
func (w *replicaWatch) observe(now time.Time, rows []observed) (dead []string) {
	if now.Sub(w.seenAt) > w.gap {
		w.forget() // this server was frozen, or the database did not answer: others may have been, too
	}
	before := w.replicas
	w.seenAt, w.replicas = now, make(map[string]unchanged, len(rows))
	for _, row := range rows {
		u, known := before[row.id]
		if !known || u.row.stopped != row.stopped || !u.row.lastSeen.Equal(row.lastSeen) {
			u = unchanged{row, now}
		}
		w.replicas[row.id] = u
		limit := w.expiry
		if row.stopped {
			limit = w.grace
		}
		if now.Sub(u.since) >= limit {
			dead = append(dead, row.id)
		}
	}
	return dead
}

// observeSQL reads the servers but this one.
const observeSQL = `
select r.id, r.last_seen, r.stopped_at is not null as stopped
from pgherald.replicas as r
where r.id <> $1`

func scanObserved(row pgx.CollectableRow) (o observed, err error) {
	err = row.Scan(&o.id, &o.lastSeen, &o.stopped)
	return o, err
}

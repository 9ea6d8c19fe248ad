package control

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream/status"
)

const (
	// maxReport bounds what a server says about itself, in bytes. Other roles may write to the table.
	maxReport = 4 << 10

	// maxReplicas bounds the servers that are listed.
	maxReplicas = 200
)

// Replicas lists the servers of a database, from pgherald.replicas.
type Replicas struct {
	pool   Pool
	self   string
	expiry time.Duration
}

// NewReplicas returns the servers of the pool's database, among which is that of the presence.
func NewReplicas(pool Pool, p *Presence) *Replicas {
	return &Replicas{pool: pool, self: p.replica, expiry: p.opts.Expiry}
}

// Self returns the id of this server.
func (r *Replicas) Self() string { return r.self }

const replicasSQL = `
select
    r.id,
    coalesce(r.stopped_at, r.last_seen) as last_seen,
    greatest(extract(epoch from clock_timestamp() - coalesce(r.stopped_at, r.last_seen)), 0)::float8 as silent,
    r.stopped_at is not null as stopped,
    case when octet_length(r.report::text) <= $1 then r.report::text end as report,
    (select count(*) from pgherald.presence as p where p.replica = r.id) as users
from pgherald.replicas as r
order by r.stopped_at is not null, r.last_seen desc
limit $2`

// List returns the servers, this one first, then those that run by their names.
func (r *Replicas) List(ctx context.Context) (list []status.Replica, err error) {
	err = pgx.BeginTxFunc(ctx, r.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, replicasSQL, maxReport, maxReplicas)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, r.scan)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the servers: %w", err)
	}
	rank := map[status.ReplicaState]int{status.ReplicaRunning: 1, status.ReplicaSilent: 2, status.ReplicaStopped: 3}
	order := func(replica *status.Replica) int {
		if replica.ID == r.self {
			return 0
		}
		return rank[replica.State]
	}
	slices.SortStableFunc(list, func(a, b status.Replica) int {
		return cmp.Or(cmp.Compare(order(&a), order(&b)), cmp.Compare(nameOf(&a), nameOf(&b)), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

func nameOf(r *status.Replica) string {
	if r.Report == nil {
		return ""
	}
	return r.Name
}

func (r *Replicas) scan(row pgx.CollectableRow) (found status.Replica, err error) {
	var silent float64
	var stopped bool
	var report *string
	if err := row.Scan(&found.ID, &found.LastSeen, &silent, &stopped, &report, &found.Users); err != nil {
		return found, err
	}
	found.SilentMS = int64(1000 * silent)
	switch {
	case stopped:
		found.State = status.ReplicaStopped
	case silent > r.expiry.Seconds():
		found.State = status.ReplicaSilent
	default:
		found.State = status.ReplicaRunning
	}
	if report == nil {
		return found, nil
	}
	said := &status.Report{}
	if json.Unmarshal([]byte(*report), said) == nil { // otherwise another program wrote it
		found.Report = said
	}
	return found, nil
}

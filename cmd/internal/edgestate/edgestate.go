// Package edgestate passes between the database and the store of the servers without one, the edges, what is no event. The relay
// runs it.
//
//	pgherald.revocations, disconnects ──► store ──► edges
//	edges ──► store ──► pgherald.presence, and its events
//
// It promises:
//
//   - A revocation in the database is in effect at the edges within seconds, and after an outage within a minute. Edges know how long ago that was
//     last confirmed.
//   - A user is online while any server or edge has a stream of that user, and for a grace period after the last one closed.
//     An edge that is killed is noticed after edgestore.Expiry.
package edgestate

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/db/edgestore"
	"github.com/pgherald/pgherald/stream/backoff"
)

// Config holds what Run needs. All fields but Presence and OnReport are required.
type Config struct {
	// Pool must come from db.OpenLogPool.
	Pool  *pgxpool.Pool
	Store *edgestore.Store
	// Presence configures how the database learns who is online.
	Presence control.PresenceOptions
	// OnReport receives what the edges that are alive say about themselves, twice a second: any bytes.
	OnReport func(reports [][]byte)
	Logger   *slog.Logger
}

const (
	// interval is the time between two looks at the revocations, and at the users of the edges.
	interval = 500 * time.Millisecond
	// fullInterval is the time between two reads of all revocations, and between two prunes of them.
	fullInterval = 30 * time.Second
	// confirmInterval is the time between two confirmations of the revocations.
	confirmInterval = 2 * time.Second
	// timeout bounds one look.
	timeout  = 10 * time.Second
	maxPause = 5 * time.Second
)

// Run passes on until ctx ends. One process at a time should run it; a second one does no harm.
func Run(ctx context.Context, c Config) {
	var running sync.WaitGroup
	running.Go(func() {
		r := revocations{from: control.NewRevocations(c.Pool, 0), to: edgestore.NewRevocations(c.Store)}
		repeat(ctx, r.pass, backoff.New(backoff.Options{
			Min: interval, Max: maxPause, Level: slog.LevelWarn, Logger: c.Logger,
			Failing: "revocations not passed to edges, retrying", Recovered: "revocations passed to edges again",
		}))
	})
	c.Presence.Logger = c.Logger
	if c.OnReport == nil {
		c.OnReport = func([][]byte) {}
	}
	p := presence{edges: edgestore.NewEdges(c.Store), tracker: control.NewPresence(c.Pool, c.Presence), onReport: c.OnReport, known: make(map[string]bool)}
	running.Go(func() { p.tracker.Run(ctx) })
	running.Go(func() {
		repeat(ctx, p.pass, backoff.New(backoff.Options{
			Min: interval, Max: maxPause, Level: slog.LevelWarn, Logger: c.Logger,
			Failing: "users of edges not read, retrying", Recovered: "users of edges read again",
		}))
	})
	running.Wait()
}

// repeat calls pass until ctx ends.
func repeat(ctx context.Context, pass func(context.Context) error, retry *backoff.Retry) {
	for retry.Wait(ctx) == nil {
		limited, cancel := context.WithTimeout(ctx, timeout)
		err := pass(limited)
		cancel()
		if ctx.Err() != nil {
			return
		}
		retry.Done(err)
		if err == nil && backoff.Sleep(ctx, interval) != nil {
			return
		}
	}
}

// revocations passes revocations and disconnects to the edges.
type revocations struct {
	from      *control.Revocations
	to        *edgestore.Revocations
	since     uint64    // for the next look
	full      time.Time // of the last read of all
	number    uint64    // of what the edges have
	confirmed time.Time
}

// pass looks for new ones. If there are some, after fullInterval, or if the store has lost them, it writes all. Otherwise it confirms what the edges
// have.
func (r *revocations) pass(ctx context.Context) error {
	list, disconnects, next, err := r.from.Read(ctx, r.since)
	if err != nil {
		return err
	}
	isDue := r.since == 0 || next < r.since || time.Since(r.full) >= fullInterval
	if !isDue && len(list)+len(disconnects) == 0 {
		if has, err := r.confirm(ctx); err != nil || has {
			r.since = next
			return err
		}
	}
	if isDue {
		if err := r.from.Prune(ctx); err != nil {
			return err
		}
	}
	list, disconnects, next, err = r.from.Read(ctx, 0)
	if err == nil {
		r.number, err = r.to.Write(ctx, list, disconnects)
	}
	if err == nil {
		r.since, r.full, r.confirmed = next, time.Now(), time.Now()
	}
	return err
}

// confirm confirms what the edges have, if it has not for a while. It returns false if the store has something else.
func (r *revocations) confirm(ctx context.Context) (bool, error) {
	began := time.Now()
	if began.Sub(r.confirmed) < confirmInterval {
		return true, nil
	}
	has, err := r.to.Confirm(ctx, r.number)
	if has && err == nil {
		r.confirmed = began
	}
	return has, err
}

// presence passes the users of the edges, and what the edges report, to the database.
type presence struct {
	edges    *edgestore.Edges
	tracker  *control.Presence
	onReport func(reports [][]byte)
	known    map[string]bool // who counts as online
}

// pass looks who is online at the edges. A store that was emptied has its users again within the grace period.
func (p *presence) pass(ctx context.Context) error {
	hasChanged, err := p.edges.Look(ctx)
	if err != nil {
		return err
	}
	p.onReport(p.edges.Reports())
	if !hasChanged {
		return nil
	}
	users := p.edges.Users()
	for user := range users {
		if !p.known[user] {
			p.known[user] = true
			p.tracker.Opened(user)
		}
	}
	for user := range p.known {
		if !users[user] {
			delete(p.known, user)
			p.tracker.Closed(user)
		}
	}
	return nil
}

package control

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgxpool"
)

// maxUserBytes is how long a name may be for its user's presence to be told: it is the key of an index.
const maxUserBytes = 1000

// PresenceOptions are the times of a Presence. Zero values mean the defaults.
type PresenceOptions struct {
	// Grace is how long a user without a stream stays online, so that a page which is loaded anew
	// makes nobody flicker; 15 s if 0.
	Grace time.Duration
	// Flush is the time between two writes, each of which holds all that has changed; 250 ms if 0.
	Flush time.Duration
	// Beat is the time between two signs of life for the other servers; 10 s if 0.
	Beat time.Duration
	// Dead is how long a server may give no sign of life before the others take its users for
	// gone; 35 s if 0. It must be longer than Grace.
	Dead time.Duration
	// Logger is told of outages.
	Logger *slog.Logger
}

func (o PresenceOptions) withDefaults() PresenceOptions {
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{{&o.Grace, 15 * time.Second}, {&o.Flush, 250 * time.Millisecond}, {&o.Beat, 10 * time.Second}, {&o.Dead, 35 * time.Second}} {
		if *d.value <= 0 {
			*d.value = d.usual
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Presence keeps pgherald.presence true for the users of one server, and appends presence_updated
// to the log for each who comes online or goes offline: the first stream of a user on any server, and
// Grace after the last one has closed. What it owes is written by Run, many users at a time; while the
// database is away it waits, and nothing is forgotten.
type Presence struct {
	pool    *pgxpool.Pool
	opts    PresenceOptions
	replica string

	mu      sync.Mutex
	users   map[string]*presentUser // guarded by mu, as those below
	changed map[string]struct{}     // whose row may have to be written or deleted
	leaving []departure             // in the order of their times
}

// presentUser is somebody who has a stream here, or had until moments ago.
type presentUser struct {
	streams int
	left    time.Time // when the last one closed
	stored  bool      // has a row
}

type departure struct {
	user string
	at   time.Time
}

// NewPresence returns the presence of a server on which nobody is. The pool must be one of
// OpenLogPool.
func NewPresence(pool *pgxpool.Pool, opts PresenceOptions) *Presence {
	return &Presence{
		pool: pool, opts: opts.withDefaults(), replica: rand.Text(),
		users: make(map[string]*presentUser), changed: make(map[string]struct{}),
	}
}

// Open notes that a stream of the user has begun. It never waits. A name that cannot be stored, or is
// longer than 1000 bytes, is nobody.
func (p *Presence) Opened(user string) {
	if !presentable(user) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.users[user]
	if u == nil {
		u = &presentUser{}
		p.users[user] = u
	}
	u.streams++
	if !u.stored {
		p.changed[user] = struct{}{}
	}
}

// Close notes that a stream which was opened has ended.
func (p *Presence) Closed(user string) {
	if !presentable(user) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.users[user]
	if u.streams--; u.streams == 0 {
		u.left = time.Now()
		p.leaving = append(p.leaving, departure{user, u.left})
	}
}

func presentable(user string) bool {
	if user == "" || len(user) > maxUserBytes || !utf8.ValidString(user) {
		return false
	}
	for i := range len(user) {
		if user[i] == 0 {
			return false
		}
	}
	return true
}

// change is what a write is to do.
type change struct{ come, leave []string }

// next takes what has changed until now, at most max users.
func (p *Presence) next(now time.Time, most int) change {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.leaving) > 0 && now.Sub(p.leaving[0].at) >= p.opts.Grace {
		if u := p.users[p.leaving[0].user]; u != nil && u.streams == 0 {
			p.changed[p.leaving[0].user] = struct{}{}
		}
		p.leaving = p.leaving[1:]
	}
	var c change
	for user := range p.changed {
		if len(c.come)+len(c.leave) == most {
			break
		}
		delete(p.changed, user)
		u := p.users[user]
		online := u.streams > 0 || now.Sub(u.left) < p.opts.Grace
		switch {
		case online && !u.stored:
			c.come = append(c.come, user)
		case !online && u.stored:
			c.leave = append(c.leave, user)
		case !online:
			delete(p.users, user)
		}
	}
	return c
}

// done notes that a change is in the database.
func (p *Presence) done(c change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, user := range c.come {
		p.users[user].stored = true
	}
	for _, user := range c.leave {
		p.users[user].stored = false
		p.changed[user] = struct{}{} // may have come back while it was written, or can be forgotten
	}
}

// undone notes that a change could not be written.
func (p *Presence) undone(c change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, users := range [][]string{c.come, c.leave} {
		for _, user := range users {
			p.changed[user] = struct{}{}
		}
	}
}

// buried notes that others took this server for dead: none of its rows is there any more.
func (p *Presence) buried() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for user, u := range p.users {
		u.stored = false
		p.changed[user] = struct{}{}
	}
}

// Run writes what changes until ctx ends. Then it leaves the users to their grace: the other servers,
// or the next one to start, take those for gone who have not come to them by then.
func (p *Presence) Run(ctx context.Context) {
	flush := time.NewTicker(p.opts.Flush)
	defer flush.Stop()
	var beatAt, retryAt time.Time
	var outage error
	for {
		now := time.Now()
		if beat := !now.Before(beatAt); !now.Before(retryAt) {
			wrote, err := p.turn(ctx, now, beat)
			switch {
			case ctx.Err() != nil:
			case err != nil:
				retryAt = now.Add(time.Second)
				if outage == nil {
					p.opts.Logger.Warn("presence cannot be written; it will be", "error", err)
				}
			case wrote:
				beatAt = now.Add(p.opts.Beat)
			}
			outage = err
		}
		select {
		case <-flush.C:
		case <-ctx.Done():
			p.leave()
			return
		}
	}
}

// leave makes the server's sign of life so old that it counts as dead when the grace of those who were
// here is over.
func (p *Presence) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	const sql = `update pgherald.replicas set last_seen = clock_timestamp() - make_interval(secs => $2) where id = $1`
	_, err := p.pool.Exec(ctx, sql, p.replica, (p.opts.Dead - p.opts.Grace).Seconds())
	if err != nil {
		p.opts.Logger.Info("presence could not be handed over; the users of this server stay online for a while", "error", err)
	}
}

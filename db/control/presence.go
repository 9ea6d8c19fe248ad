package control

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/stream/backoff"
)

// maxUserBytes bounds a user's name: it is the key of an index.
const maxUserBytes = 1000

// PresenceOptions configures a Presence. Zero values mean the defaults.
type PresenceOptions struct {
	// Grace is how long a user stays online after the last stream closed, so that reloading a page does
	// not flicker; 15 s if 0.
	Grace time.Duration
	// Flush is the time between two writes of all changes; 250 ms if 0.
	Flush time.Duration
	// Heartbeat is the time between two updates of the server's row in pgherald.replicas; 10 s if 0.
	Heartbeat time.Duration
	// Expiry is the time for which another server must have seen no heartbeat of this one to expire it; 35 s if 0.
	// Times in which that server could not reach the database do not count. It must exceed Grace and Heartbeat.
	Expiry time.Duration
	// WriteTimeout bounds one write of presence, and half of it the wait for other servers; 10 s if 0.
	WriteTimeout time.Duration
	// Report returns what the server says about itself with each heartbeat, as JSON; nil says nothing.
	Report func() []byte
	// Logger receives outages.
	Logger *slog.Logger
}

func (o PresenceOptions) withDefaults() PresenceOptions {
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{
		{&o.Grace, 15 * time.Second},
		{&o.Flush, 250 * time.Millisecond},
		{&o.Heartbeat, 10 * time.Second},
		{&o.Expiry, 35 * time.Second},
		{&o.WriteTimeout, 10 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.usual
		}
	}
	if o.Report == nil {
		o.Report = func() []byte { return nil }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Presence keeps the rows of one server's users in pgherald.presence. It appends presence_updated to the
// log when a user joins (opens the first stream at any server) or leaves (Grace after the last one
// closed). Run writes the changes, many users at a time. During an outage of the database the changes
// wait in memory. Presence is safe for concurrent use.
type Presence struct {
	pool    *pgxpool.Pool
	opts    PresenceOptions
	replica string // id of this server in pgherald.replicas
	// hasOther is whether another server had a recent heartbeat when this one last wrote.
	hasOther atomic.Bool

	watch replicaWatch // of the other servers; only Run uses it
	retry *backoff.Retry

	mu         sync.Mutex
	users      map[string]*userState // guarded by mu, as are the fields below
	changed    map[string]struct{}   // users whose row may need an insert or a delete
	departures []departure           // ordered by time
}

// userState is the state of a user with a stream on this server, now or within Grace.
type userState struct {
	streams  int
	closedAt time.Time // when the last stream closed
	stored   bool      // has a row in pgherald.presence
}

// departure is the close of a user's last stream.
type departure struct {
	user string
	at   time.Time
}

// Pauses after a write that failed. The longest is well below Expiry: after an outage, every server writes in time.
const (
	minPresencePause = 500 * time.Millisecond
	maxPresencePause = 5 * time.Second
)

// NewPresence returns a presence without users. The pool must come from db.OpenLogPool.
func NewPresence(pool *pgxpool.Pool, opts PresenceOptions) *Presence {
	opts = opts.withDefaults()
	return &Presence{
		pool: pool, opts: opts, replica: rand.Text(),
		watch: replicaWatch{expiry: opts.Expiry, grace: opts.Grace, gap: 2 * opts.Heartbeat},
		retry: backoff.New(backoff.Options{
			Min: minPresencePause, Max: maxPresencePause, Level: slog.LevelWarn, Logger: opts.Logger,
			Failing: "presence not written, retrying", Recovered: "presence written again",
		}),
		users: make(map[string]*userState), changed: make(map[string]struct{}),
	}
}

// HasOtherReplica reports whether another server of the same database ran when this one last wrote a
// heartbeat. During an outage of the database this is the last that it knows.
func (p *Presence) HasOtherReplica() bool { return p.hasOther.Load() }

// Opened records that a stream of the user opened. It never waits. It ignores a name that is empty, is
// longer than 1000 bytes, or cannot be stored as text.
func (p *Presence) Opened(user string) {
	if !isStorable(user) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.users[user]
	if u == nil {
		u = &userState{}
		p.users[user] = u
	}
	u.streams++
	if !u.stored {
		p.changed[user] = struct{}{}
	}
}

// Closed records that a stream of the user closed. It never waits. Each call must match a call of Opened.
func (p *Presence) Closed(user string) {
	if !isStorable(user) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.users[user]
	if u.streams--; u.streams == 0 {
		u.closedAt = time.Now()
		p.departures = append(p.departures, departure{user, u.closedAt})
	}
}

func isStorable(user string) bool {
	return user != "" && len(user) <= maxUserBytes && utf8.ValidString(user) && !strings.ContainsRune(user, 0)
}

// change lists the users of one write.
type change struct{ join, leave []string }

// takeChanges removes and returns the unwritten changes, of at most limit users.
func (p *Presence) takeChanges(now time.Time, limit int) change {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.departures) > 0 && now.Sub(p.departures[0].at) >= p.opts.Grace {
		if u := p.users[p.departures[0].user]; u != nil && u.streams == 0 {
			p.changed[p.departures[0].user] = struct{}{}
		}
		p.departures = p.departures[1:]
	}
	var c change
	for user := range p.changed {
		if len(c.join)+len(c.leave) == limit {
			break
		}
		delete(p.changed, user)
		u := p.users[user]
		online := u.streams > 0 || now.Sub(u.closedAt) < p.opts.Grace
		switch {
		case online && !u.stored:
			c.join = append(c.join, user)
		case !online && u.stored:
			c.leave = append(c.leave, user)
		case !online:
			delete(p.users, user)
		}
	}
	return c
}

// markStored records that a change was committed.
func (p *Presence) markStored(c change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, user := range c.join {
		p.users[user].stored = true
	}
	for _, user := range c.leave {
		p.users[user].stored = false
		p.changed[user] = struct{}{} // the user may have joined again during the write; otherwise forget it
	}
}

// retryChanges puts back a change that could not be written.
func (p *Presence) retryChanges(c change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, users := range [][]string{c.join, c.leave} {
		for _, user := range users {
			p.changed[user] = struct{}{}
		}
	}
}

// rejoin marks all users as changed: another server has expired this one and deleted their rows.
func (p *Presence) rejoin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for user, u := range p.users {
		u.stored = false
		p.changed[user] = struct{}{}
	}
}

// Run writes changes and heartbeats until ctx ends. Before it returns it records that the server stops, so that
// another server, or the next one to start, expires the users who do not open a stream elsewhere within Grace.
func (p *Presence) Run(ctx context.Context) {
	ticker := time.NewTicker(p.opts.Flush)
	defer ticker.Stop()
	var heartbeatAt time.Time
	for {
		if now := time.Now(); p.retry.Remaining() == 0 {
			wrote, err := p.flush(ctx, now, !now.Before(heartbeatAt))
			if ctx.Err() == nil {
				p.retry.Done(err)
			}
			if wrote && err == nil {
				heartbeatAt = now.Add(p.opts.Heartbeat)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			p.handOver()
			return
		}
	}
}

// handOver records that the server stops. It dates the heartbeat back, too, for servers of a version that knows only
// that: they expire this one after Grace.
func (p *Presence) handOver() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	const sql = `
		update pgherald.replicas
		set last_seen = clock_timestamp() - make_interval(secs => $2), stopped_at = clock_timestamp()
		where id = $1`
	_, err := p.pool.Exec(ctx, sql, p.replica, (p.opts.Expiry - p.opts.Grace).Seconds())
	if err != nil {
		p.opts.Logger.Info("presence not handed over, users stay online until this server expires", "error", err)
	}
}

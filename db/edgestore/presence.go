package edgestore

import (
	"context"
	"crypto/rand"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/pgherald/pgherald/stream/backoff"
)

const (
	// Expiry is the time without a heartbeat after which an edge counts as dead.
	Expiry = 35 * time.Second

	flushInterval = 250 * time.Millisecond
	heartbeat     = 5 * time.Second
	writeTimeout  = 5 * time.Second
	// maxUsersPerWrite bounds one call of the store.
	maxUsersPerWrite = 5000
	// maxUserBytes is the longest name that the database stores.
	maxUserBytes = 1000

	minPresencePause = 500 * time.Millisecond
	maxPresencePause = 5 * time.Second
)

// PresenceOptions configure a Presence.
type PresenceOptions struct {
	// Report returns what the edge says about itself with each heartbeat, as JSON; nil says nothing.
	Report func() []byte
	// Logger receives outages.
	Logger *slog.Logger
}

// Presence keeps the users who have streams at this edge, and what the edge reports, in the store, where the relay finds them. It is safe for
// concurrent use.
type Presence struct {
	store    *Store
	report   func() []byte
	edge     string // the id of this edge
	hasOther atomic.Bool
	retry    *backoff.Retry

	mu       sync.Mutex
	streams  map[string]int  // of each user; guarded by mu, as are the fields below
	stored   map[string]bool // who is in the store
	changed  map[string]bool // who may have to be written
	isUnsure bool            // a write failed, and may have been done
}

// NewPresence returns a presence without users.
func NewPresence(store *Store, opts PresenceOptions) *Presence {
	if opts.Report == nil {
		opts.Report = func() []byte { return nil }
	}
	return &Presence{
		store: store, report: opts.Report, edge: rand.Text(), streams: make(map[string]int), stored: make(map[string]bool), changed: make(map[string]bool),
		retry: backoff.New(backoff.Options{
			Min: minPresencePause, Max: maxPresencePause, Level: slog.LevelWarn, Logger: opts.Logger,
			Failing: "presence not written, retrying", Recovered: "presence written again",
		}),
	}
}

// HasOther reports whether another edge ran when this one last wrote.
func (p *Presence) HasOther() bool { return p.hasOther.Load() }

// Opened records that a stream of the user opened. It never waits. It ignores a name that the database could not store.
func (p *Presence) Opened(user string) { p.count(user, 1) }

// Closed records that a stream of the user closed. It never waits. Each call must match a call of Opened.
func (p *Presence) Closed(user string) { p.count(user, -1) }

func (p *Presence) count(user string, by int) {
	if user == "" || len(user) > maxUserBytes || !utf8.ValidString(user) || strings.ContainsRune(user, 0) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.streams[user] += by; p.streams[user] == 0 {
		delete(p.streams, user)
	}
	p.changed[user] = true
}

// Run writes changes and heartbeats until ctx ends. Before it returns it removes the edge.
func (p *Presence) Run(ctx context.Context) {
	ticker := time.NewTicker(flushInterval)
	defer ticker.Stop()
	var heartbeatAt time.Time
	for {
		if now := time.Now(); p.retry.Remaining() == 0 {
			wrote, err := p.flush(ctx, !now.Before(heartbeatAt))
			if ctx.Err() == nil && (wrote || err != nil) {
				p.retry.Done(err)
			}
			if wrote && err == nil {
				heartbeatAt = now.Add(heartbeat)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			p.leave()
			return
		}
	}
}

// flush writes all changes. Without changes it writes only if a heartbeat is due.
func (p *Presence) flush(ctx context.Context, isDue bool) (wrote bool, err error) {
	for {
		join, leave := p.takeChanges()
		n := len(join) + len(leave)
		if n == 0 && !isDue {
			return wrote, nil
		}
		known, err := p.write(ctx, join, leave)
		if err != nil {
			p.putBack(join, leave)
			return wrote, err
		}
		p.markStored(join, leave, known)
		if wrote, isDue = true, false; known && n < maxUsersPerWrite {
			return wrote, nil
		}
	}
}

// takeChanges removes and returns the unwritten changes, of at most maxUsersPerWrite users.
func (p *Presence) takeChanges() (join, leave []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for user := range p.changed {
		if len(join)+len(leave) == maxUsersPerWrite {
			break
		}
		delete(p.changed, user)
		switch isOnline := p.streams[user] > 0; {
		case isOnline && !p.stored[user]:
			join = append(join, user)
		case !isOnline && p.stored[user]:
			leave = append(leave, user)
		}
	}
	return join, leave
}

// markStored records a write. If the store did not know the edge, it has forgotten the users of earlier writes: all are written again,
// as after a write that failed.
func (p *Presence) markStored(join, leave []string, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !known || p.isUnsure {
		for user := range p.streams {
			delete(p.stored, user)
			p.changed[user] = true
		}
		p.isUnsure = false
	}
	for _, user := range join {
		p.stored[user] = true
	}
	for _, user := range leave {
		delete(p.stored, user)
		p.changed[user] = true // who may have come back during the write
	}
}

// putBack takes a write that failed for done, so that those who leave now are removed, and lets the next one write all users.
func (p *Presence) putBack(join, leave []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.isUnsure = true
	for _, user := range slices.Concat(join, leave) {
		p.stored[user], p.changed[user] = true, true
	}
}

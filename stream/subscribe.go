package stream

import (
	"context"
	"errors"
	"time"
)

// SyncMode says what a sync event means for the data that the client has.
type SyncMode string

const (
	// ModeLive means that the client sent no cursor: it receives events from now on.
	ModeLive SyncMode = "live"
	// ModeResumed means that the server honours the client's cursor: the missed events follow.
	ModeResumed SyncMode = "resumed"
	// ModeReset means that the server cannot honour the client's cursor: fetch all data again.
	ModeReset SyncMode = "reset"
	// ModeExpired means that the client's lease has ended: reconnect with a new token.
	ModeExpired SyncMode = "expired"
	// ModeDraining means that the server shuts down: reconnect and resume at another server.
	ModeDraining SyncMode = "draining"
)

// ResetReason says why a client cannot resume.
type ResetReason string

const (
	ResetMalformed ResetReason = "malformed" // the text is no cursor
	ResetOtherLog  ResetReason = "other_log" // ErrOtherLog
	ResetPruned    ResetReason = "pruned"    // ErrPruned
	ResetFuture    ResetReason = "future"    // ErrFuture
)

// ResetReasons returns every reason.
func ResetReasons() []ResetReason {
	return []ResetReason{ResetMalformed, ResetOtherLog, ResetPruned, ResetFuture}
}

// Sync is the data of a sync event, the first event of every stream.
type Sync struct {
	Mode SyncMode `json:"mode"`
	// Reason is set for ModeReset only.
	Reason ResetReason `json:"reason,omitempty"`
	// Events is the number of missed events that follow. It is nil where only reading them would
	// tell: the client resumes from the log, and either its filter selects or some of the events
	// have an audience.
	Events *int `json:"events,omitempty"`
	// Connection names a stream that has a lease, so that its client can renew it.
	Connection string `json:"connection,omitempty"`
	// Expires is the end of the lease in Unix milliseconds, 0 without a lease.
	Expires int64 `json:"expires,omitempty"`
}

// Subscribe returns a subscription that continues after the cursor, and the sync event to begin the
// stream with. With the zero Cursor it continues at the head of the feed.
//
// Subscribe answers a cursor that cannot be honoured with a reset, not with an error. It returns an
// error if it has to read the log and cannot.
func (f *Feed) Subscribe(ctx context.Context, c Cursor, filter Filter) (*Subscription, Sync, error) {
	if c.IsZero() {
		return f.subscribeAtHead(filter), Sync{Mode: ModeLive}, nil
	}
	if s, events, ok := f.subscribeInFeed(c, filter); ok {
		return s, resumed(events), nil
	}
	release, err := f.replaying(ctx)
	if err != nil {
		return nil, Sync{}, err
	}
	defer release()
	r, err := f.log.Read(ctx, c)
	if reason := resetReason(err); reason != "" {
		s, sync := f.SubscribeReset(filter, reason)
		return s, sync, nil
	}
	if err != nil {
		return nil, Sync{}, err
	}
	events := r.Events()
	if filter.chooses() && events != 0 {
		events = -1
	}
	return f.subscribeInLog(c, r, filter), resumed(events), nil
}

// SubscribeReset returns a subscription at the head of the feed for a client whose cursor cannot be
// honoured, and the sync event that says so.
func (f *Feed) SubscribeReset(filter Filter, reason ResetReason) (*Subscription, Sync) {
	return f.subscribeAtHead(filter), Sync{Mode: ModeReset, Reason: reason}
}

// Reaches reports whether Subscribe can answer from memory. If not, it will ask the log, and that
// may take a while.
func (f *Feed) Reaches(c Cursor) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return c.IsZero() || c.next <= f.ring.head.next && c.Covers(f.ring.floor)
}

func resumed(events int) Sync {
	if events < 0 {
		return Sync{Mode: ModeResumed}
	}
	return Sync{Mode: ModeResumed, Events: &events}
}

func (f *Feed) subscribeAtHead(filter Filter) *Subscription {
	f.mu.RLock()
	defer f.mu.RUnlock()
	s := &Subscription{feed: f, filter: filter}
	s.moveToHead()
	return s
}

// subscribeInFeed is false if the feed does not reach back to c, or cannot tell whether c is
// from the future.
func (f *Feed) subscribeInFeed(c Cursor, filter Filter) (*Subscription, int, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if c.next > f.ring.head.next {
		return nil, 0, false
	}
	s := &Subscription{feed: f, filter: filter, generation: f.generation, cursor: c}
	if !s.join() {
		return nil, 0, false
	}
	events := s.count()
	return s, events, true
}

func (f *Feed) subscribeInLog(c Cursor, r Reading, filter Filter) *Subscription {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return &Subscription{feed: f, filter: filter, generation: f.generation, cursor: c, aside: &aside{reading: r}}
}

// count returns how many events the subscription is due, -1 if that is not known: the log must be
// read, or it depends on what comes meanwhile.
// The feed's mu must be held.
func (s *Subscription) count() int {
	if s.filter.conflates() {
		return -1
	}
	n, c := 0, choice{filter: &s.filter}
	for pos := s.pos; pos < s.feed.ring.end(); pos++ {
		e := s.feed.ring.at(pos)
		if s.get().start.Seen(e.xid) {
			continue
		}
		if e.inLog {
			return -1
		}
		if s.filter.reads() {
			s.feed.ring.index(e)
		}
		n += e.matches(0, len(e.frames), &c)
	}
	return n
}

// Heartbeat appends a heartbeat event. It carries a cursor, so that a client moves on even while
// its filter lets nothing through, or while transactions only end that have written nothing.
func (s *Subscription) Heartbeat(dst []byte, now time.Time) []byte {
	s.settle()
	return appendControl(s.appendID(dst), TypeHeartbeat, struct{}{}, now)
}

// settle makes the cursor the feed's, if the client has all that is there: Feed.settle tells nobody.
func (s *Subscription) settle() {
	s.feed.mu.RLock()
	defer s.feed.mu.RUnlock()
	r := s.feed.ring
	if s.generation == s.feed.generation && s.get().reading == nil && s.cursor.Covers(r.before(r.end())) {
		s.moveTo(r.head)
	}
}

// Sync appends a sync event.
func (s *Subscription) Sync(dst []byte, sync Sync, now time.Time) []byte {
	return appendControl(s.appendID(dst), TypeSync, sync, now)
}

// appendID appends the id line of an event of the stream's own. Within a transaction there is none: it
// would say that what came of that is whole.
func (s *Subscription) appendID(dst []byte) []byte {
	if s.frame > 0 {
		return dst
	}
	return appendID(dst, s.cursor)
}

// ErrBehind is returned by Due when the feed no longer holds what is due: call CatchUp.
var ErrBehind = errors.New("subscription is behind the feed")

// ResetError is returned by Due when the feed had to be replaced: send the client a reset, and
// go on.
type ResetError struct{ Reason ResetReason }

func (e *ResetError) Error() string { return "feed was replaced: " + string(e.Reason) }

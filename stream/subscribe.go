package stream

import (
	"context"
	"errors"
	"time"
)

// The modes of a sync event: what the client may believe about what it has.
const (
	// ModeLive: the client came without a cursor and gets what happens from now on.
	ModeLive = "live"
	// ModeResumed: the client's cursor is honoured; what it missed follows.
	ModeResumed = "resumed"
	// ModeReset: the cursor cannot be honoured; fetch everything anew.
	ModeReset = "reset"
	// ModeExpired: the right to hear the stream has ended; come again with a new token.
	ModeExpired = "expired"
	// ModeDraining: the server shuts down; reconnect, and resume elsewhere.
	ModeDraining = "draining"
)

// Sync is the data of a sync event, the first of every stream.
type Sync struct {
	Mode string `json:"mode"`
	// Reason says in one word why a reset was needed: malformed, other_log, pruned or future.
	Reason string `json:"reason,omitempty"`
	// Events is how many events follow that were missed. It is absent where that is not known
	// without reading them: a resume that the memory does not reach back to, if the client has chosen
	// events or not all are for everyone.
	Events *int `json:"events,omitempty"`
	// Connection names the stream of somebody whose right to hear it ends, so that it can be renewed.
	Connection string `json:"connection,omitempty"`
	// Expires is when the right to hear the stream ends, in Unix milliseconds, if it does.
	Expires int64 `json:"expires,omitempty"`
}

// Subscribe returns a subscription that continues after the cursor, and what to tell the client
// about it. A zero cursor, with a nil err, is a client that comes for the first time. err is
// what ParseCursor said of the client's cursor.
//
// A cursor that cannot be honoured is no error: the client is told to reset, and hears what
// happens from then on. An error means that the log had to be asked and did not answer.
func (f *Feed) Subscribe(ctx context.Context, c Cursor, err error, filter Filter) (*Subscription, Sync, error) {
	if err != nil {
		return f.subscribeAtHead(filter, Sync{Mode: ModeReset, Reason: resetReason(err)})
	}
	if c.IsZero() {
		return f.subscribeAtHead(filter, Sync{Mode: ModeLive})
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
		return f.subscribeAtHead(filter, Sync{Mode: ModeReset, Reason: reason})
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

func (f *Feed) subscribeAtHead(filter Filter, sync Sync) (*Subscription, Sync, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	s := &Subscription{feed: f, filter: filter}
	s.moveToHead()
	return s, sync, nil
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
type ResetError struct{ Reason string }

func (e *ResetError) Error() string { return "feed was replaced: " + e.Reason }

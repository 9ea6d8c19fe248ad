package admission

import (
	"context"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Kind is a kind of request that uses the database. Requests of different kinds do not wait for each other: they
// have pools of their own.
type Kind string

// The kinds.
const (
	KindList    Kind = "list"    // reads of tables
	KindWrite   Kind = "write"   // changes of tables
	KindControl Kind = "control" // tickets, renewals, revocations and custom events
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{KindList, KindWrite, KindControl} }

// requestWait is how long a request waits for earlier ones of the same client. A page may send several at once.
const requestWait = 2 * time.Second

// RequestOptions are the limits of Requests.
type RequestOptions struct {
	// PerClient limits the requests of one kind that a client may have in progress; 0 means no limit. A client is a
	// user, or an address (one /64 of IPv6) if the request names none.
	PerClient int
	// Proxies determine the address that a request comes from.
	Proxies Proxies
	// Wait is how long a request waits for earlier ones; 2 s if 0.
	Wait time.Duration
}

// Requests limits how many requests of a client use the database at the same time, so that no client can take all
// connections of a pool. Make one with NewRequests. It is safe for concurrent use. Its memory is proportional to the
// requests in progress.
type Requests struct {
	opts RequestOptions

	mu    sync.Mutex
	lines map[requester]*line
}

// requester is a client, for one kind of request.
type requester struct {
	kind    Kind
	user    string
	address netip.Addr // if there is no user
}

// line holds the requests of one requester: those in progress have a value in slots, the others wait to send one.
// Go lets them do so in the order of their arrival.
type line struct {
	slots    chan struct{}
	requests int // in progress or waiting; guarded by Requests.mu
}

// NewRequests returns a Requests without any in progress.
func NewRequests(o RequestOptions) *Requests {
	if o.Wait <= 0 {
		o.Wait = requestWait
	}
	return &Requests{opts: o, lines: make(map[requester]*line)}
}

// Admit waits until the client has fewer requests of the kind in progress than the limit. The caller must call done
// when the request has ended. user is empty for an anonymous client. The error is a *Rejection if the wait took too
// long, or that of ctx.
func (q *Requests) Admit(ctx context.Context, kind Kind, r *http.Request, user string) (done func(), err error) {
	if q.opts.PerClient <= 0 {
		return func() {}, nil
	}
	key := requester{kind: kind, user: user}
	if user == "" {
		client, _ := q.opts.Proxies.Client(r)
		key.address = NetworkOf(client)
	}
	l := q.enter(key)
	if err := l.wait(ctx, q.opts.Wait); err != nil {
		q.leave(key, l)
		return nil, err
	}
	return func() {
		<-l.slots
		q.leave(key, l)
	}, nil
}

// wait takes a slot.
func (l *line) wait(ctx context.Context, limit time.Duration) error {
	select {
	case l.slots <- struct{}{}:
		return nil
	default:
	}
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-timeout.C:
		return tooManyRequests()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q *Requests) enter(key requester) *line {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[key]
	if l == nil {
		l = &line{slots: make(chan struct{}, q.opts.PerClient)}
		q.lines[key] = l
	}
	l.requests++
	return l
}

func (q *Requests) leave(key requester, l *line) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l.requests--; l.requests == 0 {
		delete(q.lines, key)
	}
}

func tooManyRequests() *Rejection {
	return &Rejection{LimitRequestsUser, http.StatusTooManyRequests, randomSeconds(1, 3),
		"you have too many requests of this kind in progress: wait for their responses before you send more"}
}

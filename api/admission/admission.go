// Package admission decides whether a request may open another stream. It limits the streams of the
// server, of one user and of one address, and how fast an address opens them.
//
// # Promises
//
//   - An admitted stream is never closed to make room for another.
//   - A rejection carries a random Retry-After, so that clients that were rejected at the same time
//     do not retry at the same time.
//   - A client's address is that of the connection, or the one that a trusted proxy reports. A client
//     cannot choose it.
//   - The memory is proportional to the open streams and to the addresses that opened one recently.
package admission

import (
	"math/rand/v2"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Options are the limits of a Controller. A limit of 0 means no limit.
type Options struct {
	// Total limits the open streams of the server.
	Total int
	// PerUser limits the open streams of one user. Anonymous streams do not count.
	PerUser int
	// PerAddress limits the open streams of one IPv4 address or one /64 network of IPv6.
	PerAddress int
	// Rate limits how many streams an address may open per second on average. A burst may have
	// twice as many, and at least 10.
	Rate float64
	// Requests limits the requests in progress, except those for streams. One address may have half of them.
	Requests int
	// Proxies determine the address that a request comes from.
	Proxies Proxies
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Controller admits streams. Make one with New. It is safe for concurrent use.
type Controller struct {
	opts  Options
	burst int

	mu         sync.Mutex
	total      int
	users      map[string]int
	addresses  map[netip.Addr]*address
	requests   int
	requestsOf map[netip.Addr]int // requests in progress, by address
	sweepAt    int                // the size of addresses at which sweep deletes those without streams
}

// address counts the streams of one address.
type address struct {
	open    int
	limiter *rate.Limiter // nil without Options.Rate
}

// minSweep is the number of addresses below which no sweep is necessary.
const minSweep = 1024

// New returns a Controller with no open streams.
func New(o Options) *Controller {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Controller{
		opts: o, burst: max(10, int(2*o.Rate)), sweepAt: minSweep,
		users: make(map[string]int), addresses: make(map[netip.Addr]*address), requestsOf: make(map[netip.Addr]int),
	}
}

// Admit returns a slot for the stream that a request opens. The caller must release the slot. The
// error is a *Rejection.
func (c *Controller) Admit(r *http.Request) (*Slot, error) {
	client, forwarded := c.opts.Proxies.Client(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.address(NetworkOf(client))
	switch {
	case a.limiter != nil && !a.limiter.AllowN(c.opts.Now(), 1):
		return nil, tooFast()
	case c.opts.PerAddress > 0 && a.open >= c.opts.PerAddress:
		return nil, tooMany(LimitAddress, "your address")
	case c.opts.Total > 0 && c.total >= c.opts.Total:
		return nil, full()
	}
	a.open++
	c.total++
	return &Slot{controller: c, client: client, forwarded: forwarded}, nil
}

// address returns the counters of an address. The caller must hold mu.
func (c *Controller) address(key netip.Addr) *address {
	if a, ok := c.addresses[key]; ok {
		return a
	}
	if len(c.addresses) >= c.sweepAt {
		c.sweep()
	}
	a := new(address)
	if c.opts.Rate > 0 {
		a.limiter = rate.NewLimiter(rate.Limit(c.opts.Rate), c.burst)
	}
	c.addresses[key] = a
	return a
}

// sweep deletes the addresses without streams whose limiter has recovered its whole burst: a new
// entry would be equal. It runs when the map has doubled since the last sweep, so that its cost per
// address is constant. The caller must hold mu.
func (c *Controller) sweep() {
	now := c.opts.Now()
	for key, a := range c.addresses {
		if a.open == 0 && (a.limiter == nil || a.limiter.TokensAt(now) >= float64(c.burst)) {
			delete(c.addresses, key)
		}
	}
	c.sweepAt = max(minSweep, 2*len(c.addresses))
}

// NetworkOf returns the key under which an address is counted: an IPv4 address itself, and the /64
// network of an IPv6 address, of which one subscriber usually has all 2^64 addresses.
func NetworkOf(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

// Slot is the admission of one stream. Only one goroutine may use it at a time.
type Slot struct {
	controller *Controller
	client     netip.Addr
	user       string

	forwarded, retained, released bool
}

// ClientAddr returns the address that the request comes from, and whether a proxy reported it.
func (s *Slot) ClientAddr() (addr netip.Addr, forwarded bool) { return s.client, s.forwarded }

// SetUser counts the stream for a user. It does nothing for an anonymous client, whose user is empty.
// The error is a *Rejection. Call it at most once.
func (s *Slot) SetUser(user string) error {
	if user == "" {
		return nil
	}
	c := s.controller
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opts.PerUser > 0 && c.users[user] >= c.opts.PerUser {
		return tooMany(LimitUser, "this user")
	}
	s.user = user
	c.users[user]++
	return nil
}

// Retain keeps the slot beyond the end of the handler: ReleaseUnlessRetained does nothing from then
// on, and the new owner of the slot must call Release.
func (s *Slot) Retain() { s.retained = true }

// ReleaseUnlessRetained releases the slot unless Retain was called.
func (s *Slot) ReleaseUnlessRetained() {
	if !s.retained {
		s.Release()
	}
}

// Release frees the slot for another stream. Further calls do nothing.
func (s *Slot) Release() {
	c := s.controller
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.released {
		return
	}
	s.released = true
	c.total--
	key := NetworkOf(s.client)
	a := c.addresses[key]
	if a.open--; a.open == 0 && a.limiter == nil {
		delete(c.addresses, key)
	}
	if s.user == "" {
		return
	}
	if c.users[s.user]--; c.users[s.user] == 0 {
		delete(c.users, s.user)
	}
}

// Limit names the limit that rejected a stream or a request: in error codes ("limit_total") and as a label of
// metrics.
type Limit string

// The limits, one for each field of Options.
const (
	LimitTotal   Limit = "total"
	LimitUser    Limit = "user"
	LimitAddress Limit = "address"
	LimitRate    Limit = "rate"
	LimitMemory  Limit = "memory"
)

// The limits of requests.
const (
	LimitRequests        Limit = "requests"
	LimitRequestsAddress Limit = "requests_address"
	LimitRequestsUser    Limit = "requests_user" // of Requests
)

// Limits returns all limits of streams.
func Limits() []Limit { return []Limit{LimitTotal, LimitUser, LimitAddress, LimitRate, LimitMemory} }

// RequestLimits returns all limits of requests.
func RequestLimits() []Limit { return []Limit{LimitRequests, LimitRequestsAddress, LimitRequestsUser} }

// Rejection is the error for a stream or a request that a limit forbids.
type Rejection struct {
	Limit  Limit
	Status int // of HTTP: 429 if the client exceeds its own limit, 503 if the server has reached its limit
	// RetryAfter is how long the client should wait, in whole seconds.
	RetryAfter time.Duration
	Detail     string // for people: what is wrong and what to do
}

func (r *Rejection) Error() string { return r.Detail }

// NoMemory returns the rejection of a stream whose filter finds no memory.
func NoMemory() *Rejection {
	return &Rejection{LimitMemory, http.StatusServiceUnavailable, randomSeconds(5, 30),
		"the filters of all streams take too much memory: use a shorter one, or try again later"}
}

func full() *Rejection {
	return &Rejection{LimitTotal, http.StatusServiceUnavailable, randomSeconds(5, 30),
		"the server has reached its limit of streams: try again later"}
}

// tooMany rejects a stream of a user or an address.
func tooMany(limit Limit, owner string) *Rejection {
	return &Rejection{limit, http.StatusTooManyRequests, randomSeconds(5, 30),
		owner + " has too many open streams: close one, or share one among the pages of a browser"}
}

func tooFast() *Rejection {
	return &Rejection{LimitRate, http.StatusTooManyRequests, randomSeconds(1, 10),
		"your address opens streams too fast: wait between attempts"}
}

// randomSeconds returns a random number of seconds from low to high, both included.
func randomSeconds(low, high int) time.Duration {
	return time.Duration(low+rand.IntN(high-low+1)) * time.Second
}

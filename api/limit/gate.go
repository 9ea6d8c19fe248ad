package limit

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Options are the limits. 0 is no limit.
type Options struct {
	// Total is how many streams may be open.
	Total int
	// PerUser is how many streams of one user may be open, of those who have a name.
	PerUser int
	// PerAddress is how many streams from one address may be open. The /64 of an IPv6 address counts
	// as one.
	PerAddress int
	// Rate is how many streams an address may open in a second, on average; twice as many, and at
	// least 10, at once.
	Rate float64
	// Proxies say from which address a request comes.
	Proxies Proxies
	// Now is the clock; nil is the system's.
	Now func() time.Time
}

// Gate lets streams in. Make it with New.
type Gate struct {
	opts  Options
	burst int

	mu        sync.Mutex
	total     int
	users     map[string]int
	addresses map[netip.Addr]*address
	sweepAt   int // how many addresses are remembered when those are forgotten that may be
}

// address is what is known of one.
type address struct {
	open  int
	speed *rate.Limiter // nil without a Rate
}

// firstSweep is how many addresses are remembered without a thought.
const firstSweep = 1024

// New returns a gate that nobody has come through.
func New(o Options) *Gate {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Gate{
		opts: o, burst: max(10, int(2*o.Rate)), sweepAt: firstSweep,
		users: make(map[string]int), addresses: make(map[netip.Addr]*address),
	}
}

// Enter gives a request a seat, which must be given back, or a *Refusal.
func (g *Gate) Enter(r *http.Request) (*Seat, error) {
	from, forwarded := g.opts.Proxies.Client(r)
	g.mu.Lock()
	defer g.mu.Unlock()
	a := g.address(prefixOf(from))
	switch {
	case a.speed != nil && !a.speed.AllowN(g.opts.Now(), 1):
		return nil, tooFast()
	case g.opts.PerAddress > 0 && a.open >= g.opts.PerAddress:
		return nil, tooMany("address", "from your address")
	case g.opts.Total > 0 && g.total >= g.opts.Total:
		return nil, full()
	}
	a.open++
	g.total++
	return &Seat{gate: g, from: from, forwarded: forwarded}, nil
}

// address must be called with mu held, as those below.
func (g *Gate) address(key netip.Addr) *address {
	if a, ok := g.addresses[key]; ok {
		return a
	}
	if len(g.addresses) >= g.sweepAt {
		g.forget()
	}
	a := new(address)
	if g.opts.Rate > 0 {
		a.speed = rate.NewLimiter(rate.Limit(g.opts.Rate), g.burst)
	}
	g.addresses[key] = a
	return a
}

// forget forgets the addresses that are as good as new. It is called when they have doubled, so that
// each costs little, however many there are.
func (g *Gate) forget() {
	now := g.opts.Now()
	for key, a := range g.addresses {
		if a.open == 0 && (a.speed == nil || a.speed.TokensAt(now) >= float64(g.burst)) {
			delete(g.addresses, key)
		}
	}
	g.sweepAt = max(firstSweep, 2*len(g.addresses))
}

// prefixOf is whom an address belongs to: of IPv6, everybody has 2^64 of them.
func prefixOf(a netip.Addr) netip.Addr {
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

// Seat is a place for a stream. It is for one goroutine at a time.
type Seat struct {
	gate *Gate
	from netip.Addr
	user string

	forwarded, kept, left bool
}

// From is the address of whoever sits here, and whether a proxy said so.
func (s *Seat) From() (addr netip.Addr, forwarded bool) { return s.from, s.forwarded }

// Name says whose seat it is, or returns a *Refusal. It must be called once at the most.
func (s *Seat) Name(user string) error {
	if user == "" {
		return nil
	}
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	if s.gate.opts.PerUser > 0 && s.gate.users[user] >= s.gate.opts.PerUser {
		return tooMany("user", "of yours")
	}
	s.user = user
	s.gate.users[user]++
	return nil
}

// Keep makes Done do nothing: the seat is given back with Leave, perhaps by somebody else.
func (s *Seat) Keep() { s.kept = true }

// Done gives back a seat that nobody keeps.
func (s *Seat) Done() {
	if !s.kept {
		s.Leave()
	}
}

// Leave gives the seat back. Only the first call does something.
func (s *Seat) Leave() {
	g := s.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.left {
		return
	}
	s.left = true
	g.total--
	key := prefixOf(s.from)
	a := g.addresses[key]
	if a.open--; a.open == 0 && a.speed == nil {
		delete(g.addresses, key)
	}
	if s.user == "" {
		return
	}
	if g.users[s.user]--; g.users[s.user] == 0 {
		delete(g.users, s.user)
	}
}

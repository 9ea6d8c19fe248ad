package stream

import "slices"

// maxPortions bounds how many portions a pass keeps, and so how much memory it takes: clients
// that stand at many different places, as after an outage, share little anyway.
const maxPortions = 64

// Pass serves many subscriptions one after the other. What is due is put together once for all
// that stand at the same place with the same filter, as nearly all do: for them a pass costs a
// comparison each and allocates nothing. It is for one walk over the subscriptions, and for one
// goroutine.
type Pass struct {
	feed     *Feed
	limit    int
	portions map[place]*portion
	place    place    // of the last portion
	portion  *portion // the last one: the next subscription mostly stands there too
}

// place is where a subscription stands, and what it lets through.
type place struct {
	generation uint64
	pos        uint64
	frame      int
	filter     string
}

// portion is what is due at a place, and where one stands after it.
type portion struct {
	bytes []byte
	after Subscription
	sent  uint64 // events in it
	err   error
}

// Pass begins a pass that gives each subscription about limit bytes at a time.
func (f *Feed) Pass(limit int) *Pass {
	return &Pass{feed: f, limit: limit, portions: make(map[place]*portion)}
}

// Due returns what is due to s as Subscription.Due does, in one piece, and moves s on. more is true
// if s may be due more at once. The bytes are shared: they must not be changed, and whoever keeps
// them keeps up to limit bytes and a frame alive.
func (p *Pass) Due(s *Subscription) (data []byte, more bool, err error) {
	if !s.start.IsZero() || s.reading != nil {
		own := p.compute(s) // its id lines are its own, or it must catch up
		return p.move(s, own)
	}
	at := place{generation: s.generation, pos: s.pos, frame: s.frame, filter: s.filter.id}
	if p.portion == nil || at != p.place {
		p.place, p.portion = at, p.at(at, s)
	}
	return p.move(s, p.portion)
}

func (p *Pass) at(at place, s *Subscription) *portion {
	if known, ok := p.portions[at]; ok {
		return known
	}
	if len(p.portions) == maxPortions {
		clear(p.portions)
	}
	fresh := p.compute(s)
	p.portions[at] = fresh
	return fresh
}

// compute finds out what is due on a copy of s.
func (p *Pass) compute(s *Subscription) *portion {
	trial := *s
	bufs, err := trial.Due(nil, p.limit)
	data := slices.Concat(bufs...)
	return &portion{bytes: data, after: trial, sent: trial.sent - s.sent, err: err}
}

func (p *Pass) move(s *Subscription, by *portion) ([]byte, bool, error) {
	sent := s.sent + by.sent
	*s = by.after
	s.sent = sent
	return by.bytes, len(by.bytes) >= p.limit, by.err
}

// Cut says that only n bytes of a portion reached the client: before is s as it was when the
// portion was put together. It returns a copy of the rest of the frame that was cut in two, to be
// sent before anything else, and moves s to behind that frame, so that a client that does not read
// keeps one frame alive and not a portion.
func (s *Subscription) Cut(before *Subscription, portion []byte, n int) (rest []byte) {
	trial := *before
	bufs, err := trial.Due(nil, n)
	m := 0
	for _, b := range bufs {
		m += len(b)
	}
	if err != nil || m < n {
		return slices.Clone(portion[n:]) // the feed has moved on: nobody else knows the frame now
	}
	*s = trial
	return slices.Clone(portion[n:m])
}

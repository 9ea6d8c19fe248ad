package stream

import "slices"

// Bounds of what a pass keeps, and so of the memory it takes: clients that stand at many different
// places, as after an outage, share little anyway.
const (
	maxPortions = 4096
	maxKept     = 16 << 20 // bytes
)

// Pass serves many subscriptions one after the other. What is due is put together once for all
// that stand at the same place with the same filter, as nearly all do: for them a pass costs a
// comparison each and allocates nothing. Where events are not for everyone, it is put together once
// for all whose grants make the same difference. It is for one walk over the subscriptions, and for
// one goroutine.
type FanOutPass struct {
	feed     *Feed
	limit    int
	crowds   map[place]*crowd
	portions int
	kept     int
	place    place  // of the last crowd
	crowd    *crowd // the last one: the next subscription mostly stands there too
	sent     uint64
}

// place is where a subscription stands, and what its client chose.
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
	more  bool   // there may be more at once
	err   error
}

// Pass begins a pass that gives each subscription about limit bytes at a time.
func (f *Feed) NewFanOutPass(limit int) *FanOutPass {
	return &FanOutPass{feed: f, limit: limit, crowds: make(map[place]*crowd)}
}

// Sent is how many events Due returned in this pass, to all subscriptions together.
func (p *FanOutPass) SentEvents() uint64 { return p.sent }

// Due returns what is due to s as Subscription.Due does, in one piece, and moves s on. more is true
// if s may be due more at once. The bytes are shared: they must not be changed, and whoever keeps
// them keeps up to limit bytes and a frame alive.
func (p *FanOutPass) Pending(s *Subscription) (data []byte, more bool, err error) {
	if s.aside != nil && (!s.aside.start.IsZero() || s.aside.reading != nil) {
		own := p.compute(s, &crowd{end: p.feed.end()}) // its id lines are its own, or it must catch up
		return p.move(s, own)
	}
	at := place{generation: s.generation, pos: s.pos, frame: s.frame, filter: s.filter.id()}
	if p.crowd == nil || at != p.place {
		p.place, p.crowd = at, p.at(at, s.filter.passLimit(p.limit))
	}
	return p.move(s, p.portionFor(s))
}

func (p *FanOutPass) at(at place, limit int) *crowd {
	if known, ok := p.crowds[at]; ok {
		return known
	}
	fresh := p.feed.crowdAt(at, limit)
	p.crowds[at] = fresh
	return fresh
}

// portionFor returns what is due to the crowd that s stands in, or to the part of it that has the
// same of the grants that matter.
func (p *FanOutPass) portionFor(s *Subscription) *portion {
	c := p.crowd
	if c.tags == nil {
		if c.public == nil {
			c.public = p.keep(p.compute(s, c))
		}
		return c.public
	}
	class, ok := c.classOf(s.filter.grants)
	if !ok {
		return p.compute(s, c)
	}
	if known, ok := c.portions[class]; ok {
		return known
	}
	fresh := p.compute(s, c)
	c.portions[class] = fresh
	return p.keep(fresh)
}

// keep counts a portion that is kept for others. If it is one too many, all are forgotten: those who
// come have them put together again.
func (p *FanOutPass) keep(fresh *portion) *portion {
	p.portions++
	p.kept += len(fresh.bytes)
	if p.portions > maxPortions || p.kept > maxKept {
		clear(p.crowds)
		p.crowd, p.portions, p.kept = nil, 0, 0
	}
	return fresh
}

// compute finds out on a copy of s what is due to it, of what the crowd knows.
func (p *FanOutPass) compute(s *Subscription, c *crowd) *portion {
	trial := *s
	bufs, err := trial.due(nil, p.limit, c.end)
	data := slices.Concat(bufs...)
	more := err == nil && (c.cut || trial.pos < c.end) // stopped by the limit, or before what is in the log
	return &portion{bytes: data, after: trial, sent: trial.sent - s.sent, more: more, err: err}
}

// move puts s where one stands after the portion. The filter stays its own: others with other grants
// may be sent the same.
func (p *FanOutPass) move(s *Subscription, by *portion) ([]byte, bool, error) {
	sent, filter := s.sent+by.sent, s.filter
	*s = by.after
	s.sent, s.filter = sent, filter
	p.sent += by.sent
	return by.bytes, by.more, by.err
}

// Cut says that only n bytes of a portion reached the client, the one that this pass returned last to s:
// before is s as it was when the portion was put together. It returns the rest of the frame that was cut in
// two, to be sent before anything else, and moves s to behind that frame, so that a client that does not read
// keeps one frame alive and not a portion. Of batches and conflated events it keeps the portion. What is due
// again does not count as sent.
func (p *FanOutPass) Rewind(s, before *Subscription, portion []byte, n int) (rest []byte) {
	sent := s.sent
	rest = s.cut(before, portion, n)
	p.sent -= sent - s.sent
	return rest
}

func (s *Subscription) cut(before *Subscription, portion []byte, n int) (rest []byte) {
	if s.filter.merges() {
		return slices.Clip(portion[n:]) // what is due would be put together in another way by now
	}
	trial := *before
	bufs, err := trial.Pending(nil, n)
	m := 0
	for _, b := range bufs {
		m += len(b)
	}
	if err != nil || m < n {
		return keep(portion[n:], portion) // the feed has moved on: nobody else knows the frame now
	}
	*s = trial
	return keep(portion[n:m], portion)
}

// keep returns rest, which is a part of a portion: as it is if that is most of the portion, so that all who got
// stuck in one large frame share it, and otherwise a copy, so that the portion can go.
func keep(rest, portion []byte) []byte {
	if len(rest) >= len(portion)/2 {
		return slices.Clip(rest)
	}
	return slices.Clone(rest)
}

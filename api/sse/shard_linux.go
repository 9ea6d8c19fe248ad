package sse

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
)

// shard owns a part of the clients, and is the goroutine that writes to them.
type shard struct {
	server    *Server
	engine    *shards
	clients   []*client
	pacer     pacing.Pacer
	sweeper   *time.Ticker
	flusher   *time.Timer // at the end of the earliest window
	fresh     freshness
	nextFlush int64        // when that is, 0 if no window has begun; see Server.since
	sent      int64        // bytes that the meter does not know of yet
	full      atomic.Int32 // clients whose sockets are full, at the last sweep
	behind    atomic.Int32 // and those that read the log
	ending    bool         // whoever is here or comes is sent away
	stops     bool
	stopped   chan struct{} // closed when run has returned

	nextPass *pacing.PassTime

	mu    sync.Mutex
	inbox []message     // guarded by mu
	mail  chan struct{} // signalled when there is something in it
}

// message is what others have to say to a shard, most of it about one of its clients.
type message struct {
	kind   messageKind
	client *client
	err    error // with returned: why it could not catch up
}

type messageKind int

const (
	arrived  messageKind = iota // a new client
	changed                     // its socket has room again, or it is gone
	returned                    // it has caught up
	drain
	endAll
	stop // of the shard, when no stream is left
)

func newShard(e *shards) *shard {
	return &shard{
		server: e.server, engine: e, pacer: pacing.NewPacer(len(e.shards)), nextPass: e.server.opts.Schedule.NewPassTime(),
		fresh:   freshness{feed: e.server.opts.Feed, meter: e.server.opts.Meter, mark: e.server.opts.Feed.Mark()},
		sweeper: time.NewTicker(pacing.SweepInterval(e.server.opts.Heartbeat, e.server.opts.WriteTimeout)), flusher: time.NewTimer(time.Hour),
		stopped: make(chan struct{}), mail: make(chan struct{}, 1),
	}
}

// post leaves a message. It never waits.
func (s *shard) post(m message) {
	s.mu.Lock()
	s.inbox = append(s.inbox, m)
	s.mu.Unlock()
	select {
	case s.mail <- struct{}{}:
	default:
	}
}

// run serves the shard's clients until it is told to stop.
func (s *shard) run() {
	defer close(s.stopped)
	defer s.sweeper.Stop()
	defer s.flusher.Stop()
	hold := time.NewTimer(time.Hour)
	defer hold.Stop()
	feed := s.server.opts.Feed.Changed()
	for {
		select {
		case <-feed:
			if wait := s.pacer.Wait(time.Now()); wait > 0 {
				feed = nil // it need not tell of further changes until then
				hold.Reset(wait)
				continue
			}
			feed = s.pass()
		case <-hold.C:
			feed = s.pass()
		case <-s.flusher.C:
			s.flush()
		case <-s.mail:
			if s.readMail() {
				return
			}
		case now := <-s.sweeper.C:
			s.sweep(now)
		}
	}
}

// pass serves every client once, and returns what tells of the feed's next change.
func (s *shard) pass() <-chan struct{} {
	watch := startWatch()
	next := s.server.opts.Feed.Changed() // before the pass, or what comes during it is missed
	s.fresh.look()
	p := s.server.opts.Feed.NewFanOutPass(pacing.MaxWrite)
	for i := len(s.clients) - 1; i >= 0; i-- { // one that ends makes room for one already served
		s.clients[i].serve(p)
	}
	now := time.Now()
	if len(s.clients) > 0 {
		s.fresh.tell(now)
	}
	s.pacer.Record(watch.began, watch.cost(now), s.each(p))
	s.count(p)
	if len(s.clients) > 0 {
		s.nextPass.Set(now.Add(s.pacer.Wait(now)))
	}
	return next
}

// each is how many events a pass has sent to each client.
func (s *shard) each(p *stream.FanOutPass) int { return int(p.SentEvents()) / max(1, len(s.clients)) }

// count tells the meter what went out, once for many clients.
func (s *shard) count(p *stream.FanOutPass) {
	if s.sent == 0 && p.SentEvents() == 0 {
		return
	}
	s.server.opts.Meter.Sent(s.sent, p.SentEvents())
	s.sent = 0
}

// readMail reports whether the shard is to stop.
func (s *shard) readMail() bool {
	s.mu.Lock()
	inbox := s.inbox
	s.inbox = nil
	s.mu.Unlock()
	p := s.server.opts.Feed.NewFanOutPass(pacing.MaxWrite)
	for _, m := range inbox {
		s.read(m, p)
	}
	s.count(p)
	if s.ending {
		s.endAll()
	}
	return s.stops
}

func (s *shard) read(m message, p *stream.FanOutPass) {
	c := m.client
	switch m.kind {
	case arrived:
		s.add(c)
	case returned:
		away := c.away.Swap(nil)
		if m.err != nil && !s.cameBack(c, m.err, away.torn) {
			return
		}
	case drain:
		s.drain()
		return
	case endAll:
		s.ending = true
		return
	case stop:
		s.stops = true
		return
	}
	if c.index < 0 || c.away.Load() != nil { // ended meanwhile, or somebody else's now
		return
	}
	if c.gone.Load() {
		c.end(CloseClientGone)
		return
	}
	if c.resume() {
		c.serve(p)
	}
}

// cameBack deals with what kept a client from catching up. True means that its stream goes on. One that has
// been sent half of something is told nothing more: it would take that for the other half.
func (s *shard) cameBack(c *client, err error, torn bool) bool {
	var reset *stream.ResetError
	switch {
	case torn:
		c.end(err)
	case errors.As(err, &reset):
		return c.control(s.server.reset(&c.sub, reset))
	case errors.Is(err, CloseDraining), errors.Is(err, CloseExpired):
		c.leave(err)
	default:
		c.end(err)
	}
	return false
}

func (s *shard) add(c *client) {
	s.nextPass.SetActive()
	c.index = int32(len(s.clients))
	s.clients = append(s.clients, c)
	now := time.Now()
	c.beatAt = s.server.since(now.Add(s.server.opts.Heartbeat))
	if s.server.leaveBy.Load() != 0 {
		c.leavesAt = s.server.since(s.server.leaveAt(now))
	}
}

// remove forgets the client and closes its socket.
func (s *shard) remove(c *client) {
	last := s.clients[len(s.clients)-1]
	s.clients[c.index], last.index = last, c.index
	s.clients[len(s.clients)-1] = nil
	s.clients = s.clients[:len(s.clients)-1]
	c.index = -1
	if len(s.clients) == 0 {
		s.nextPass.SetIdle()
	}
	s.engine.poller.remove(c)
}

// endAll ends every client that is here. Those who are away have been called back, and are ended
// when they have come.
func (s *shard) endAll() {
	for i := len(s.clients) - 1; i >= 0; i-- {
		if c := s.clients[i]; c.away.Load() == nil {
			c.end(CloseServerClosed)
		}
	}
}

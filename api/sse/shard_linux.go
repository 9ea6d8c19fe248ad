package sse

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
)

// shard is a goroutine that owns a part of the clients and writes to them.
type shard struct {
	server    *Server
	transport *epollTransport
	clients   []*client
	latency   writeLatency
	deflater  deflater
	sent      int64 // bytes that the meter has not counted yet

	pacer    pacing.Pacer
	passTime *pacing.PassTime
	sweeper  *time.Ticker
	flusher  *time.Timer // fires at flushAt
	flushAt  int64       // the end of the earliest batch window, 0 if none has begun; see Server.since

	full       atomic.Int32 // stalled clients, at the last sweep
	catchingUp atomic.Int32 // clients that catch up, at the last sweep
	isClosing  bool         // the shard closes every client, including new ones
	isStopping bool
	stopped    chan struct{} // closed when run has returned

	mu    sync.Mutex
	inbox []message     // guarded by mu
	mail  chan struct{} // signalled when the inbox has messages
}

// message is a message to a shard, from the poller, a catch-up or the transport.
type message struct {
	kind   messageKind
	client *client // the one that the message is about, if any
	err    error   // of caughtUp: why the catch-up ended early
}

type messageKind int

const (
	opened        messageKind = iota // a new client
	socketChanged                    // its socket has room, or its peer closed it
	caughtUp                         // its catch-up has ended
	leaseRevoked                     // its lease was revoked
	pinsTooMuch                      // it keeps bytes in memory that the feed has evicted: see stream.Pin
	drain                            // choose a drain time for each client
	readsChanged                     // tell each client whether the log is read
	closeStreams                     // close all clients, including new ones
	stop                             // return from run; the shard has no clients
)

func newShard(e *epollTransport) *shard {
	o := e.server.opts
	return &shard{
		server: e.server, transport: e, pacer: pacing.NewPacer(len(e.shards)), passTime: o.Schedule.NewPassTime(), latency: newWriteLatency(o),
		sweeper: time.NewTicker(pacing.SweepInterval(o.Heartbeat, o.WriteTimeout)), flusher: time.NewTimer(time.Hour),
		stopped: make(chan struct{}), mail: make(chan struct{}, 1),
	}
}

// post puts a message into the inbox. It does not wait, and may be called from any goroutine.
func (s *shard) post(m message) {
	s.mu.Lock()
	s.inbox = append(s.inbox, m)
	s.mu.Unlock()
	select {
	case s.mail <- struct{}{}:
	default:
	}
}

// run serves the shard's clients until it receives stop.
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
				feed = nil // further changes belong to the same pass
				hold.Reset(wait)
				continue
			}
			feed = s.pass()
		case <-hold.C:
			feed = s.pass()
		case <-s.flusher.C:
			s.flush()
		case <-s.mail:
			s.readMail()
			if s.isStopping {
				return
			}
		case now := <-s.sweeper.C:
			s.sweep(now)
		}
	}
}

// pass makes a fan-out pass: it serves every client once. It returns a channel that is closed at the
// feed's next change.
func (s *shard) pass() <-chan struct{} {
	watch := startStopwatch()
	changed := s.server.opts.Feed.Changed() // before the pass, or a change during it would be missed
	s.latency.collect()
	p := s.server.opts.Feed.NewFanOutPass(pacing.MaxWrite)
	s.deflater.begin(true, s.server.since(watch.began))
	for i := len(s.clients) - 1; i >= 0; i-- { // backwards: remove moves the last client, already served, to i
		s.clients[i].serve(p)
	}
	now := time.Now()
	if len(s.clients) > 0 {
		s.latency.report(now)
	}
	s.pacer.Record(watch.began, watch.cost(now), s.eventsPerClient(p))
	s.meter(p)
	if len(s.clients) > 0 {
		s.passTime.Set(now.Add(s.pacer.Wait(now)))
	}
	return changed
}

func (s *shard) eventsPerClient(p *stream.FanOutPass) int {
	return int(p.SentEvents()) / max(1, len(s.clients))
}

// meter counts what a pass has written.
func (s *shard) meter(p *stream.FanOutPass) {
	if d := &s.deflater; d.plain > 0 {
		s.server.opts.Meter.Compressed(d.plain, d.sent)
		d.plain, d.sent = 0, 0
	}
	if s.sent == 0 && p.SentEvents() == 0 {
		return
	}
	s.server.opts.Meter.Sent(s.sent, p.SentEvents())
	s.sent = 0
}

// readMail handles the messages in the inbox.
func (s *shard) readMail() {
	s.mu.Lock()
	inbox := s.inbox
	s.inbox = nil
	s.mu.Unlock()
	p := s.server.opts.Feed.NewFanOutPass(pacing.MaxWrite)
	s.deflater.begin(false, 0)
	for _, m := range inbox {
		s.handle(m, p)
	}
	s.meter(p)
	if s.isClosing {
		s.closeAll()
	}
}

func (s *shard) handle(m message, p *stream.FanOutPass) {
	switch m.kind {
	case drain:
		s.drain()
	case readsChanged:
		s.sweep(time.Now())
	case closeStreams:
		s.isClosing = true
	case stop:
		s.isStopping = true
	case opened:
		s.add(m.client)
		s.serve(m.client, p)
		if m.client.index >= 0 && s.server.stale() != nil {
			s.checkDeadlines(m.client, time.Now())
		}
	case caughtUp:
		if m.client.finishCatchUp(m.err) {
			s.serve(m.client, p)
		}
	case socketChanged:
		s.serve(m.client, p)
	case leaseRevoked:
		if m.client.index >= 0 {
			s.checkDeadlines(m.client, time.Now())
		}
	case pinsTooMuch:
		if u := m.client.unsent; u != nil && u.pin.IsInterrupted() {
			m.client.close(CloseSlow)
		}
	}
}

// serve serves one client, unless it was closed meanwhile or catches up.
func (s *shard) serve(c *client, p *stream.FanOutPass) {
	switch {
	case c.index < 0 || c.catchUp.Load() != nil:
	case c.isPeerClosed.Load():
		c.close(CloseClientGone)
	case c.resume():
		c.serve(p)
	}
}

func (s *shard) add(c *client) {
	s.passTime.SetActive()
	c.index = int32(len(s.clients))
	s.clients = append(s.clients, c)
	now := time.Now()
	stale := s.server.stale()
	c.beatAt = s.server.since(now.Add(s.server.beatInterval(stale)))
	if stale != nil && c.saysStale() {
		c.outage.endAt = stale.endAt(c.began)
	}
	if s.server.drainBy.Load() != 0 {
		c.drainAt = s.server.since(s.server.drainTime(now))
	}
}

// remove removes the client and closes its socket.
func (s *shard) remove(c *client) {
	last := s.clients[len(s.clients)-1]
	s.clients[c.index], last.index = last, c.index
	s.clients[len(s.clients)-1] = nil
	s.clients = s.clients[:len(s.clients)-1]
	c.index = -1
	if len(s.clients) == 0 {
		s.passTime.SetIdle()
	}
	s.transport.poller.remove(c)
	s.transport.sockets.Add(-1)
}

// closeAll closes every client, except those that catch up: the end of Server.ctx interrupts their
// catch-ups, and each is closed when its goroutine has posted caughtUp.
func (s *shard) closeAll() {
	for i := len(s.clients) - 1; i >= 0; i-- {
		if c := s.clients[i]; c.catchUp.Load() == nil {
			c.close(CloseServerClosed)
		}
	}
}

package stream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// TestRecoveries lets the log lose its end again and again, while servers read it and clients move between
// them. In the end every client that was not reset has exactly what the log has. Then nothing was lost silently,
// and no client has what is lost.
//
// PGHERALD_RECOVERIES is the number of histories.
func TestRecoveries(t *testing.T) {
	histories := 400
	if n, err := strconv.Atoi(os.Getenv("PGHERALD_RECOVERIES")); err == nil {
		histories = n
	}
	var total tally
	for seed := range uint64(histories) {
		synctest.Test(t, func(t *testing.T) {
			h := newTimelines(t, seed)
			for range 120 {
				h.step()
			}
			h.finish()
			total.add(h.tally)
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d histories: %+v", histories, total)
	if total.needless > total.resets/2 || total.carried == 0 {
		t.Errorf("the model resets clients needlessly: %+v", total)
	}
}

// tally counts what happened to clients.
type tally struct {
	recoveries, lossy int
	resets            int
	needless          int // resets of clients that had received nothing that was lost
	carried           int // connections that went on after a recovery
	received          int // transactions
}

func (a *tally) add(b tally) {
	a.recoveries, a.lossy, a.resets = a.recoveries+b.recoveries, a.lossy+b.lossy, a.resets+b.resets
	a.needless, a.carried, a.received = a.needless+b.needless, a.carried+b.carried, a.received+b.received
}

type timelines struct {
	*testing.T
	tally
	rng     *rand.Rand
	log     *streamtest.Log
	open    []*streamtest.Tx
	serial  map[string]*streamtest.Tx // by the key of their events
	feeds   []*stream.Feed
	clients []*mover
	epochs  map[string][]*streamtest.Tx // what had committed when each epoch ended
	now     string                      // the present epoch
}

// mover is a client that moves between servers.
type mover struct {
	streamtest.Client
	sub   *stream.Subscription
	taken int                         // of Client.Transactions
	has   map[*streamtest.Tx]struct{} // what it has loaded or received
}

func newTimelines(t *testing.T, seed uint64) *timelines {
	h := &timelines{T: t, rng: rand.New(rand.NewPCG(seed, 7)), log: streamtest.NewLog("start"), serial: make(map[string]*streamtest.Tx), epochs: make(map[string][]*streamtest.Tx)}
	h.now = "start"
	h.feeds = make([]*stream.Feed, 1+h.rng.IntN(3))
	for i := range h.feeds {
		h.start(i)
	}
	for range 4 {
		h.clients = append(h.clients, &mover{has: make(map[*streamtest.Tx]struct{})})
	}
	return h
}

func (h *timelines) start(i int) {
	f := stream.NewFeed(h.log, stream.FeedOptions{Bytes: []int64{700, 3000, 1 << 20}[h.rng.IntN(3)], Fill: h.rng.IntN(20)})
	if err := f.Fill(context.Background()); err != nil {
		h.Fatalf("%v", err)
	}
	for _, c := range h.clients {
		if c.sub != nil && stream.FeedOf(c.sub) == h.feeds[i] {
			h.disconnect(c)
		}
	}
	h.feeds[i] = f
}

func (h *timelines) step() {
	switch n := h.rng.IntN(100); {
	case n < 15:
		h.open = append(h.open, h.log.Begin())
	case n < 40 && len(h.open) > 0:
		t := h.open[h.rng.IntN(len(h.open))]
		key := fmt.Sprint("k", len(h.serial))
		h.serial[key] = t
		t.Write("a", key)
	case n < 55 && len(h.open) > 0:
		i := h.rng.IntN(len(h.open))
		if h.rng.IntN(4) == 0 {
			h.open[i].Rollback()
		} else {
			h.open[i].Commit()
		}
		h.open = slices.Delete(h.open, i, i+1)
	case n < 68:
		h.read(h.rng.IntN(len(h.feeds)))
	case n < 88:
		h.serve(h.clients[h.rng.IntN(len(h.clients))])
	case n < 90:
		h.disconnect(h.clients[h.rng.IntN(len(h.clients))])
	case n < 91:
		h.start(h.rng.IntN(len(h.feeds)))
	case n < 92 && h.rng.IntN(3) == 0:
		h.log.Prune()
	case n < 95:
		h.recover()
	}
}

func (h *timelines) recover() {
	h.recoveries++
	h.epochs[h.now] = h.log.Committed()
	end := h.log.LSN()
	lost := h.log.Recover(end-min(end, uint64(h.rng.IntN(3)*h.rng.IntN(8))), h.rng.IntN(10) != 0)
	if slices.ContainsFunc(lost, func(t *streamtest.Tx) bool { return len(t.Events) > 0 }) {
		h.lossy++
	}
	h.open = nil
	lineage, _ := h.log.Lineage(context.Background())
	h.now = lineage[0].Epoch
	if h.rng.IntN(2) == 0 { // usually the servers see it before there is another one
		for i := range h.feeds {
			h.read(i)
		}
	}
}

func (h *timelines) read(i int) {
	if err := stream.ReadOnce(h.feeds[i]); err != nil {
		h.Fatalf("%v", err)
	}
}

func (h *timelines) disconnect(c *mover) {
	c.sub = nil
	c.Disconnect()
}

// serve connects the client or sends it some of what is pending.
func (h *timelines) serve(c *mover) {
	ctx := context.Background()
	if c.sub == nil {
		h.connect(c)
		return
	}
	before := c.sub.Cursor().Epoch()
	var err error
	limit := 1 + h.rng.IntN(600)
	if h.rng.IntN(2) == 0 {
		var bufs [][]byte
		bufs, err = c.sub.Pending(nil, limit)
		h.write(c, bufs...)
	} else {
		var data []byte
		data, _, err = stream.FeedOf(c.sub).NewFanOutPass(limit).Pending(c.sub)
		h.write(c, data)
	}
	if errors.Is(err, stream.ErrBehind) {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		err = c.sub.CatchUp(ctx, stream.CatchUpClient{Emit: func(bufs [][]byte) error {
			h.write(c, bufs...)
			if h.rng.IntN(20) == 0 {
				h.recover()
			}
			if h.rng.IntN(20) == 0 {
				return errBroken
			}
			return nil
		}})
		cancel()
	}
	var reset *stream.ResetError
	switch {
	case errors.As(err, &reset):
		h.reset(c)
		h.write(c, c.sub.Sync(nil, stream.Sync{Mode: stream.ModeReset, Reason: reset.Reason}, epochTime))
	case err != nil:
		h.disconnect(c)
	default:
		if c.sub.Cursor().Epoch() != before {
			h.carried++
		}
		if h.rng.IntN(5) == 0 {
			h.write(c, c.sub.Heartbeat(nil, epochTime))
		}
	}
	h.take(c)
}

func (h *timelines) connect(c *mover) {
	cursor := stream.Cursor{}
	if c.Cursor != "" {
		var err error
		if cursor, err = stream.ParseCursor(c.Cursor); err != nil {
			h.Fatalf("%v", err)
		}
	}
	sub, sync, err := h.feeds[h.rng.IntN(len(h.feeds))].Subscribe(context.Background(), cursor, stream.Filter{})
	if err != nil { // the server follows later
		return
	}
	c.sub = sub
	if sync.Mode != stream.ModeResumed {
		h.reset(c)
	}
	h.write(c, sub.Sync(nil, sync, epochTime))
}

// reset lets a client load its data: what its new cursor has seen.
func (h *timelines) reset(c *mover) {
	h.take(c)
	c.Disconnect()
	if len(c.has) > 0 {
		h.resets++
		if !h.hasLost(c) {
			h.needless++
		}
	}
	clear(c.has)
	at := c.sub.Cursor()
	committed, ended := h.epochs[at.Epoch()]
	if !ended {
		committed = h.log.Committed()
	}
	for _, t := range committed {
		if at.Seen(t.XID) {
			c.has[t] = struct{}{}
		}
	}
}

// hasLost reports whether the client has something that is lost.
func (h *timelines) hasLost(c *mover) bool {
	for t := range c.has {
		if t.Lost {
			return true
		}
	}
	return false
}

func (h *timelines) write(c *mover, bufs ...[]byte) {
	for _, b := range bufs {
		if _, err := c.Write(b); err != nil {
			h.Fatalf("%v", err)
		}
	}
}

// take notes what the client has received.
func (h *timelines) take(c *mover) {
	for _, events := range c.Transactions[c.taken:] {
		var data struct{ Key string }
		if err := json.Unmarshal(events[0].Data, &data); err != nil {
			h.Fatalf("%v", err)
		}
		t := h.serial[data.Key]
		if _, again := c.has[t]; again {
			h.Errorf("a client received transaction %d again", t.XID)
		}
		if len(events) != len(t.Events) {
			h.Errorf("a client received %d of %d events of transaction %d", len(events), len(t.Events), t.XID)
		}
		c.has[t] = struct{}{}
		h.received++
	}
	c.taken = len(c.Transactions)
}

// finish lets everything arrive, and compares the clients with the log.
func (h *timelines) finish() {
	for _, t := range h.open {
		t.Commit()
	}
	for range 3 { // a recovery during a catch-up may come in between
		h.rng = rand.New(rand.NewPCG(5, 5))
		for i := range h.feeds {
			h.read(i)
		}
	}
	for _, c := range h.clients {
		if c.Cursor == "" {
			continue
		}
		for n := 0; c.sub == nil && n < 50; n++ {
			h.connect(c)
		}
		h.drain(c)
	}
	committed := h.log.Committed()
	for n, c := range h.clients {
		if c.Cursor == "" {
			continue
		}
		for _, t := range committed {
			if _, ok := c.has[t]; !ok {
				h.Errorf("client %d at %s misses transaction %d", n, c.Cursor, t.XID)
			}
		}
		for t := range c.has {
			if t.Lost {
				h.Errorf("client %d at %s has transaction %d, which is lost", n, c.Cursor, t.XID)
			}
		}
	}
}

func (h *timelines) drain(c *mover) {
	for range 10_000 {
		bufs, err := c.sub.Pending(nil, 1<<20)
		h.write(c, bufs...)
		if errors.Is(err, stream.ErrBehind) {
			err = c.sub.CatchUp(context.Background(), stream.CatchUpClient{Emit: func(bufs [][]byte) error { h.write(c, bufs...); return nil }})
			if err == nil {
				continue
			}
		}
		var reset *stream.ResetError
		if errors.As(err, &reset) {
			h.reset(c)
			h.write(c, c.sub.Sync(nil, stream.Sync{Mode: stream.ModeReset}, epochTime))
			continue
		}
		if err != nil {
			h.Fatalf("%v", err)
		}
		h.take(c)
		if len(bufs) == 0 {
			return
		}
	}
}

package stream_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// holder is a client that is stuck in a large event.
type holder struct {
	sub           *stream.Subscription
	pin           *stream.Pin
	isInterrupted bool
}

// pinsTest is a feed that holds about two of the large events that it receives.
type pinsTest struct {
	*testing.T
	log  *streamtest.Log
	feed *stream.Feed
}

const largeEvent = 100_000

func newPinsTest(t *testing.T) *pinsTest {
	log := streamtest.NewLog("e1")
	return &pinsTest{t, log, newFeed(t, log, stream.FeedOptions{Bytes: 2.5 * largeEvent, CatchUpBytes: 6.5 * largeEvent, PageBytes: 1000})}
}

func (h *pinsTest) writeLarge() {
	tx := h.log.Begin()
	tx.Append(stream.Event{Type: "a", Data: []byte(`"` + strings.Repeat("x", largeEvent) + `"`)})
	tx.Commit()
	readOnce(h.T, h.feed)
}

// subscribe returns n clients at the head of the feed.
func (h *pinsTest) subscribe(n int, filter stream.Filter) (all []*holder) {
	for range n {
		sub, _, err := h.feed.Subscribe(h.Context(), stream.Cursor{}, filter)
		if err != nil {
			h.Fatal(err)
		}
		all = append(all, &holder{sub: sub})
	}
	return all
}

// stick lets a client of a shard take the first bytes of what is pending.
func (h *pinsTest) stick(c *holder) {
	p, before := h.feed.NewFanOutPass(1<<18), *c.sub
	data, _, err := p.Pending(c.sub)
	if err != nil {
		h.Fatal(err)
	}
	rest := p.Rewind(c.sub, &before, data, 10)
	c.pin = p.Pin(rest, c.sub, &before, func() { c.isInterrupted = true })
}

// stickInAll lets a client of a goroutine get what is pending.
func (h *pinsTest) stickInAll(c *holder) {
	before := *c.sub
	bufs, err := c.sub.Pending(nil, 1<<16)
	if err != nil {
		h.Fatal(err)
	}
	c.pin = c.sub.Pin(stream.CopySmall(bufs), &before, func() { c.isInterrupted = true })
}

// expect checks how many events the clients are counted for, and which clients are interrupted.
func (h *pinsTest) expect(events int64, all []*holder, interrupted ...int) {
	h.Helper()
	if n := h.feed.Stats().CatchUpBytes; (n+largeEvent/2)/largeEvent != events {
		h.Errorf("%d bytes are charged, want those of %d events", n, events)
	}
	for i, c := range all {
		if want := slices.Contains(interrupted, i); c.isInterrupted != want || c.pin.IsInterrupted() != want {
			h.Errorf("client %d is interrupted: %t, %t, want %t", i, c.isInterrupted, c.pin.IsInterrupted(), want)
		}
	}
}

// Clients that are stuck in different large events keep at most half of the budget of catch-ups in memory.
func TestClientsHoldLittleOfWhatTheFeedHasEvicted(t *testing.T) {
	for name, filter := range map[string]stream.Filter{
		"plain": {}, "batched": stream.Filter{}.Batched(time.Second), "conflated": stream.Filter{}.Conflated(),
	} {
		for way, stick := range map[string]func(*pinsTest, *holder){"shard": (*pinsTest).stick, "goroutine": (*pinsTest).stickInAll} {
			t.Run(way+", "+name, func(t *testing.T) {
				h := newPinsTest(t)
				var all []*holder
				for range 5 { // two are in the feed
					c := h.subscribe(1, filter)[0]
					h.writeLarge()
					stick(h, c)
					all = append(all, c)
				}
				h.expect(3, all)
				h.writeLarge()
				h.expect(4, all, 0)
				all[0].pin.Release()
				all[0].pin.Release()
				all[0].isInterrupted = false
				h.expect(3, all)
				h.writeLarge()
				h.expect(4, all, 1)
				for _, c := range all {
					c.pin.Release()
				}
				all[1].isInterrupted = false
				h.expect(0, all)
				if n := h.feed.Stats().CatchUpsInterrupted; n != 2 {
					t.Errorf("%d clients count as interrupted, want 2", n)
				}
			})
		}
	}
}

// Clients that are stuck in the same event keep it in memory once, and all of them must give it up.
func TestClientsShareWhatTheyHold(t *testing.T) {
	h := newPinsTest(t)
	same := h.subscribe(10, stream.Filter{})
	h.writeLarge()
	for i, c := range same {
		[]func(*holder){h.stick, h.stickInAll}[i%2](c)
	}
	h.writeLarge()
	h.expect(0, same)
	h.writeLarge()
	h.expect(1, same)
	var others []*holder
	for range 5 {
		c := h.subscribe(1, stream.Filter{})[0]
		h.writeLarge()
		h.stick(c)
		others = append(others, c)
	}
	h.expect(4, same, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	h.expect(4, others)
	for _, c := range slices.Concat(same, others) {
		c.pin.Release()
	}
	h.expect(0, others)
}

// A reset evicts everything.
func TestResetChargesWhatClientsHold(t *testing.T) {
	h := newPinsTest(t)
	c := h.subscribe(1, stream.Filter{})[0]
	h.writeLarge()
	h.stick(c)
	h.expect(0, []*holder{c})
	h.log.Replace("e2")
	readOnce(t, h.feed)
	h.expect(1, []*holder{c})
	c.pin.Release()
	h.expect(0, []*holder{c})
}

package relay_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/pgherald/pgherald/stream/relay"
	"github.com/pgherald/pgherald/stream/relay/relaytest"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// history is a random history of a log with recoveries, of relays that are killed at any write or stand still, and of a store that loses its
// end, is restored from an old dump, or is emptied. Readers move between the log and the stream. Their oracle is the log.
type history struct {
	rng     *rand.Rand
	log     *streamtest.Log
	open    map[string]*streamtest.Tx // by the key of their events
	store   *relaytest.Store
	term    uint64
	relays  []*relay.Copier // the last has the newest term; the others stand still, and may go on
	edges   []*relay.Log
	readers []*reader
	tally
	sabotage
	depth int           // of what happens while a relay is about to write, or a reader reads
	busy  *relay.Copier // the relay that was first to go on
	// isEnding says that readers read the stream alone.
	isEnding bool
}

// tally counts what happened, so that a test knows that it tested something.
type tally struct{ received, recoveries, restores, kills, stale, resets, resolved, voided, repaired, surviving int }

// sabotage takes a protection away.
type sabotage struct{ term, last, token, epoch bool }

func newHistory(seed uint64, s sabotage) *history {
	h := &history{rng: rand.New(rand.NewPCG(seed, 18)), log: streamtest.NewLog("r"), open: make(map[string]*streamtest.Tx), store: relaytest.NewStore(), sabotage: s}
	h.log.PartSize = 2
	h.store.Keep = true
	h.store.IgnoresTerm, h.store.IgnoresLast, h.store.IgnoresToken = s.term, s.last, s.token
	h.store.Fault = h.fault
	h.startRelay()
	for range 3 {
		edge := relay.NewLog(h.store, relay.LogOptions{})
		edge.SetPage(3)
		h.edges = append(h.edges, edge)
	}
	for range 4 {
		r := &reader{history: h}
		r.reset()
		h.readers = append(h.readers, r)
	}
	return h
}

var errKilled = errors.New("killed")

// fault lets a write fail before or after it happens. Before it happens, another relay may write.
func (h *history) fault(isDone bool) error {
	if !isDone && h.depth == 0 && h.rng.IntN(20) == 0 {
		h.depth++
		h.stepRelays()
		h.depth--
	}
	if h.rng.IntN(25) == 0 {
		h.kills++
		return errKilled
	}
	return nil
}

// startRelay begins another term. The relay before stands still.
func (h *history) startRelay() {
	h.term++
	h.relays = append(h.relays, relay.NewCopier(relay.Options{
		Log: h.log, Store: h.store, Writer: relay.Writer{Term: h.term, Owner: strconv.FormatUint(h.term, 10)},
	}))
	if len(h.relays) > 3 {
		h.relays = h.relays[1:]
	}
}

// stepRelays lets one relay go on, mostly the newest.
func (h *history) stepRelays() {
	switch h.rng.IntN(10) {
	case 0:
		h.startRelay()
	case 1, 2:
		h.stale++
		h.stepRelay(h.relays[h.rng.IntN(len(h.relays))])
		return
	}
	h.stepRelay(h.relays[len(h.relays)-1])
}

// stepRelay lets a relay read the log once, unless it is about to write.
func (h *history) stepRelay(c *relay.Copier) {
	if c == h.busy {
		return
	}
	if h.busy == nil {
		h.busy = c
		defer func() { h.busy = nil }()
	}
	if h.rng.IntN(3) == 0 {
		c.Expire(h.rng.IntN(4) == 0)
	}
	h.repaired += c.Step(context.Background(), func(c *relay.Copier) {
		if h.epoch {
			lineage, _ := h.log.Lineage(context.Background())
			c.SetEpoch(lineage[0].Epoch)
		}
	})
}

func (h *history) step() {
	switch n := h.rng.IntN(100); {
	case n < 35:
		h.write()
	case n < 60:
		h.stepRelays()
	case n < 90:
		h.readers[h.rng.IntN(len(h.readers))].step(h.edges[h.rng.IntN(len(h.edges))])
	case n < 92:
		h.recover()
	case n < 96:
		h.damage()
	case n == 96:
		h.log.Prune()
	}
}

// write begins, continues or ends a transaction. The events of a key are written by one transaction at a time, as those of a row are.
func (h *history) write() {
	key := strconv.Itoa(h.rng.IntN(5))
	tx := h.open[key]
	if tx == nil {
		tx = h.log.Begin()
		h.open[key] = tx
	}
	switch n := h.rng.IntN(10); {
	case n < 5:
		for range 1 + h.rng.IntN(7)*h.rng.IntN(2) {
			tx.Write("changed", key)
		}
	case n < 9:
		tx.Commit()
		delete(h.open, key)
	default:
		tx.Rollback()
		delete(h.open, key)
	}
}

// recover cuts the write-ahead log off, mostly near its end. That ends all transactions.
func (h *history) recover() {
	h.recoveries++
	h.log.Recover(h.log.LSN()-uint64(h.rng.IntN(12)), h.rng.IntN(4) > 0)
	clear(h.open)
}

// damage lets the store lose something.
func (h *history) damage() {
	n := h.store.Writes()
	if n == 0 {
		return
	}
	h.restores++
	switch h.rng.IntN(8) {
	case 0:
		h.store.Empty()
	case 1, 2:
		h.store.Restore(h.rng.IntN(n)) // an old dump
	default:
		h.store.Restore(max(0, n-1-h.rng.IntN(6)))
	}
}

// finish lets everything end: no fault comes any more.
func (h *history) finish() error {
	for _, tx := range h.open {
		tx.Commit()
	}
	h.store.Fault, h.depth, h.isEnding = nil, 1, true
	h.startRelay() // the newest term: a relay before may not have noticed that it is stale
	c := h.relays[len(h.relays)-1]
	for range 10 {
		c.Expire(false)
		h.stepRelay(c)
	}
	h.voided += h.edges[0].Voids()
	for i, r := range h.readers {
		if !r.isPresent(h.edges[0]) {
			return errors.New("the stream does not follow the log")
		}
		for range 10 {
			r.step(h.edges[i%len(h.edges)])
		}
		if err := r.verify(); err != nil {
			return fmt.Errorf("reader %d: %w", i, err)
		}
	}
	return nil
}

func runHistory(seed uint64, s sabotage) (t tally, err error) {
	h := newHistory(seed, s)
	defer func() { t = h.tally }()
	for range 400 {
		h.step()
		for i, r := range h.readers {
			if r.err != nil {
				return t, fmt.Errorf("reader %d: %w", i, r.err)
			}
		}
	}
	return t, h.finish()
}

// histories returns how many to test; PGHERALD_HISTORIES says another number.
func histories(n int) int {
	if given, err := strconv.Atoi(os.Getenv("PGHERALD_HISTORIES")); err == nil {
		return given
	}
	return n
}

// TestHistories checks that readers of the stream receive what the log has, whatever happens to relays and store.
func TestHistories(t *testing.T) {
	var total tally
	for seed := range uint64(histories(60)) {
		one, err := runHistory(seed, sabotage{})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		total.add(one)
	}
	t.Logf("%+v", total)
	if total.received == 0 || total.resolved == 0 || total.voided == 0 || total.repaired == 0 || total.resets == 0 || total.surviving == 0 {
		t.Errorf("the histories lack something: %+v", total)
	}
}

// TestHistoriesNeedProtection checks that TestHistories notices when a protection is missing.
func TestHistoriesNeedProtection(t *testing.T) {
	for name, test := range map[string]struct {
		sabotage
		first uint64 // a seed that has noticed it
	}{
		"the check of the term":       {sabotage{term: true}, 6},
		"the check of the last entry": {sabotage{last: true}, 6},
		"the check of the token":      {sabotage{token: true}, 300},
		"the epoch":                   {sabotage{epoch: true}, 0},
	} {
		isNoticed := false
		for seed := test.first; seed < test.first+2000 && !isNoticed; seed++ {
			_, err := runHistory(seed, test.sabotage)
			if isNoticed = err != nil; isNoticed {
				t.Logf("without %s, seed %d: %v", name, seed, err)
			}
		}
		if !isNoticed {
			t.Errorf("no history needs %s", name)
		}
	}
}

func (a *tally) add(b tally) {
	a.received, a.recoveries, a.restores, a.kills = a.received+b.received, a.recoveries+b.recoveries, a.restores+b.restores, a.kills+b.kills
	a.stale, a.resets, a.resolved = a.stale+b.stale, a.resets+b.resets, a.resolved+b.resolved
	a.voided, a.repaired, a.surviving = a.voided+b.voided, a.repaired+b.repaired, a.surviving+b.surviving
}

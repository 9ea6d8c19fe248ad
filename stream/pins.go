package stream

import (
	"slices"
	"sync"
	"sync/atomic"
)

// pins count the memory that clients keep although the feed has evicted it: a client that is stuck in a large frame
// needs the rest of it. What they keep is charged to the budget of catch-ups. Beyond half of it, pins interrupt the
// clients that keep what was evicted first, until the rest fits.
//
// A block is the array of a part of an entry or of merged bytes. Its last byte identifies it: all slices of a block have
// the same one at the end of their capacity. So a client finds the block that others have already pinned, and needs no
// reference to its entry.
type pins struct {
	limit int64        // of what is charged
	bytes atomic.Int64 // charged

	mu          sync.Mutex // guards the fields below, and those of all blocks and Pins
	blocks      map[*byte]*block
	charged     []*block // in the order in which the feed evicted them
	ending      int64    // bytes of charged blocks whose clients were interrupted
	interrupted uint64   // clients
}

// block is an array of bytes that clients pin.
type block struct {
	end       *byte // the last byte of the array
	size      int64
	isCharged bool
	isEnding  bool // its clients were interrupted
	pins      map[*Pin]struct{}
}

// Pin keeps the blocks of some bytes counted until Release. A nil Pin keeps nothing.
type Pin struct {
	pins          *pins
	blocks        []*block
	interrupt     func()
	isInterrupted bool
}

func newPins(limit int64) *pins { return &pins{limit: limit, blocks: make(map[*byte]*block)} }

// endOf returns the last byte of the array behind b, which must not be empty.
func endOf(b []byte) *byte { return &b[:cap(b)][cap(b)-1] }

// Pin counts the large ones of bufs, which the client needs after s has moved on from before. The caller must Release
// the result. If the feed has evicted them and the clients pin too much, Pin and the feed call interrupt of the
// clients that pin the oldest, without a lock; it must not block. It may be called late, after Release: then
// IsInterrupted says whether to ignore it.
func (s *Subscription) Pin(bufs [][]byte, before *Subscription, interrupt func()) *Pin {
	return s.pin(bufs, before, nil, interrupt)
}

// pin is Pin for bufs that may be parts of merged, which is not in the feed.
func (s *Subscription) pin(bufs [][]byte, before *Subscription, merged []byte, interrupt func()) *Pin {
	if !slices.ContainsFunc(bufs, isLarge) {
		return nil
	}
	f := s.feed
	h := &Pin{pins: f.replays.pins, interrupt: interrupt}
	f.mu.RLock() // the feed evicts nothing meanwhile
	f.replays.pins.mu.Lock()
	for _, b := range bufs {
		if isLarge(b) {
			f.replays.pins.add(h, b, func() (int64, bool) { return s.blockSize(b, before, merged) })
		}
	}
	slow := f.replays.pins.choose()
	f.replays.pins.mu.Unlock()
	f.mu.RUnlock()
	interruptAll(slow)
	return h
}

// blockSize returns the size of the block of b, and whether it is in the feed, which entries between before and s
// are searched for. The caller must hold the feed's mu.
func (s *Subscription) blockSize(b []byte, before *Subscription, merged []byte) (size int64, inFeed bool) {
	end := endOf(b)
	if len(merged) > 0 && endOf(merged) == end {
		return int64(cap(merged)), false
	}
	r := s.feed.buffer
	if s.generation == s.feed.generation {
		for pos := max(before.pos, r.first); pos < min(s.pos+1, r.end()); pos++ {
			for _, block := range r.at(pos).blocks {
				if isLarge(block) && endOf(block) == end {
					return int64(cap(block)), true
				}
			}
		}
	}
	return int64(cap(b)), false
}

// add pins the block of b. sizeOf is called for a block without pins. The caller must hold mu.
func (s *pins) add(h *Pin, b []byte, sizeOf func() (size int64, inFeed bool)) {
	k, known := s.blocks[endOf(b)]
	if !known {
		size, inFeed := sizeOf()
		k = &block{end: endOf(b), size: size, pins: make(map[*Pin]struct{}, 1)}
		s.blocks[k.end] = k
		if !inFeed {
			s.charge(k)
		}
	}
	if _, known := k.pins[h]; known {
		return
	}
	if k.isEnding { // another client will be late
		k.isEnding = false
		s.ending -= k.size
	}
	k.pins[h] = struct{}{}
	h.blocks = append(h.blocks, k)
}

// charge adds a block to those that only clients keep. The caller must hold mu.
func (s *pins) charge(k *block) {
	k.isCharged = true
	s.charged = append(s.charged, k)
	s.bytes.Add(k.size)
}

// evict charges the blocks of an entry that clients have pinned. The caller must call interruptAll with the result,
// without a lock.
func (s *pins) evict(e *entry) []*Pin {
	if e.length <= smallRest {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range e.blocks {
		if k := s.blocks[endOf(b)]; k != nil && !k.isCharged {
			s.charge(k)
		}
	}
	return s.choose()
}

// choose returns the pins of the oldest blocks, so that what the others pin is within the limit. The caller must
// hold mu.
func (s *pins) choose() (slow []*Pin) {
	for _, k := range s.charged {
		if s.bytes.Load()-s.ending <= s.limit {
			break
		}
		if k.isEnding {
			continue
		}
		k.isEnding = true
		s.ending += k.size
		for h := range k.pins {
			if !h.isInterrupted {
				h.isInterrupted = true
				slow = append(slow, h)
			}
		}
	}
	s.interrupted += uint64(len(slow))
	return slow
}

// interruptions returns how often a client was interrupted.
func (s *pins) interruptions() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.interrupted
}

func interruptAll(slow []*Pin) {
	for _, h := range slow {
		h.interrupt()
	}
}

// IsInterrupted reports whether the client must give up what it has pinned.
func (h *Pin) IsInterrupted() bool {
	if h == nil {
		return false
	}
	h.pins.mu.Lock()
	defer h.pins.mu.Unlock()
	return h.isInterrupted
}

// Release ends the pin. Further calls do nothing.
func (h *Pin) Release() {
	if h == nil {
		return
	}
	s := h.pins
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range h.blocks {
		delete(k.pins, h)
		if len(k.pins) == 0 {
			s.forget(k)
		}
	}
	h.blocks, h.isInterrupted = nil, false
}

// forget removes a block without pins. The caller must hold mu.
func (s *pins) forget(k *block) {
	delete(s.blocks, k.end)
	if !k.isCharged {
		return
	}
	s.charged = slices.DeleteFunc(s.charged, func(o *block) bool { return o == k })
	s.bytes.Add(-k.size)
	if k.isEnding {
		s.ending -= k.size
	}
}

package stream

import "math"

// Rewind corrects s after a write that took only the first n bytes of data, the result of the last
// Pending, which must have been for s. before is a copy of s from before that call. Rewind returns the rest of the
// frame that was cut in two, which the caller must send before anything else, and moves s behind that
// frame. The events behind it are pending again and do not count as sent. So a client that does not
// read keeps one frame in memory, not all of data.
//
// If the filter merges, Rewind returns the rest of data: merged again, it would differ.
func (p *FanOutPass) Rewind(s, before *Subscription, data []byte, n int) (rest [][]byte) {
	if s.filter.merges() {
		if large := p.lastResult.large; large != nil {
			return restOf(large, n)
		}
		return [][]byte{data[n:]}
	}
	sent := s.sent
	rest = s.rewind(before, data, n)
	p.sent -= sent - s.sent
	return rest
}

// Pin is Subscription.Pin for the result of Rewind, or a part of it.
func (p *FanOutPass) Pin(rest [][]byte, s, before *Subscription, interrupt func()) *Pin {
	return s.pin(rest, before, p.lastResult.bytes, interrupt)
}

func (s *Subscription) rewind(before *Subscription, data []byte, n int) (rest [][]byte) {
	trial := *before
	bufs, err := trial.pendingBefore(nil, n, math.MaxUint64) // ends with the frame that byte n-1 belongs to
	m := 0
	for _, b := range bufs {
		m += len(b)
	}
	if err != nil || m < n { // the feed has evicted the frame, or changed its id lines
		return shareOrCopy(data[n:], data)
	}
	*s = trial
	switch {
	case m == n: // also if the socket took nothing: then there is no frame to complete
		return nil
	case m-n > smallRest:
		return restOf(bufs, n)
	default:
		return shareOrCopy(data[n:m], data)
	}
}

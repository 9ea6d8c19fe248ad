package stream

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// appendGaps appends the holes as text: the distances from next down to each of them, in Exp-Golomb
// codes of the order that makes the text shortest, in base64url. The first six bits are the order.
//
// The code of a distance d with order k is that of n = d-1+2^k: as many zeros as n has bits beyond k+1,
// then n in binary. So a distance near 2^k takes about k+2 bits, a run of open transactions one bit each, and
// a single far one does not make the others longer. Since each code begins with zeros up to its first one, the
// padding, which is zeros, is no code.
func appendGaps(b []byte, next uint64, holes []uint64) []byte {
	order := gapOrder(next, holes)
	w := bitWriter{}
	w.write(uint64(order), 6)
	eachGap(next, holes, func(gap uint64) {
		n, width := gapCode(gap, order)
		w.write(0, width-order-1)
		if width == 65 {
			w.write(1, 1)
		}
		w.write(n, min(width, 64))
	})
	return base64.RawURLEncoding.AppendEncode(b, w.bytes)
}

// gapCode returns the number that stands for a distance, and its bits. The highest of 65 is 1, and not in n.
func gapCode(gap uint64, order int) (n uint64, width int) {
	n, carry := bits.Add64(gap-1, 1<<order, 0)
	if carry != 0 {
		return n, 65
	}
	return n, bits.Len64(n)
}

// gapsLen returns the length of what appendGaps appends.
func gapsLen(next uint64, holes []uint64) int {
	order, size := gapOrder(next, holes), 6
	eachGap(next, holes, func(gap uint64) {
		_, width := gapCode(gap, order)
		size += 2*width - order - 1
	})
	return base64.RawURLEncoding.EncodedLen((size + 7) / 8)
}

// gapOrder returns the order with the shortest encoding, the lowest of several.
func gapOrder(next uint64, holes []uint64) int {
	var lengths [65]int // of the distances less one, in bits
	shortest, longest := 64, 0
	eachGap(next, holes, func(gap uint64) {
		length := bits.Len64(gap - 1)
		lengths[length]++
		shortest, longest = min(shortest, length), max(longest, length)
	})
	best, least := 0, -1
	// Below the shortest length, an order is worse than the next one; above the longest, than the one before.
	for order := max(0, shortest-1); order <= min(longest, 63); order++ {
		size := 0
		for length := shortest; length <= longest; length++ {
			count := lengths[length]
			// The sum with 2^order may have a bit more than both. The estimate ignores that: the result is a
			// function of the holes all the same, and parsing needs no more.
			size += count * (2*max(length, order+1) - order - 1)
		}
		if least < 0 || size < least {
			best, least = order, size
		}
	}
	return best
}

func eachGap(next uint64, holes []uint64, do func(gap uint64)) {
	for _, h := range slices.Backward(holes) {
		do(next - h)
		next = h
	}
}

// parseGaps parses what appendGaps appends. The caller must check that the text is the one that
// appendGaps returns for the result.
func parseGaps(next uint64, text string) ([]uint64, error) {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: not base64url", ErrMalformedCursor)
	}
	r := bitReader{bytes: data}
	order := int(r.read(6))
	var holes []uint64
	for {
		zeros := r.zeros()
		if zeros < 0 {
			break // the padding
		}
		width := zeros + order + 1
		if width > 65 || width > r.left() {
			return nil, fmt.Errorf("%w: distance out of range", ErrMalformedCursor)
		}
		r.read(width - 64) // a first bit that 64 bits have no room for
		gap := r.read(min(width, 64)) - 1<<order + 1
		if gap == 0 || gap > next {
			return nil, fmt.Errorf("%w: distance out of range", ErrMalformedCursor)
		}
		next -= gap
		holes = append(holes, next)
		if len(holes) > MaxCursorHoles {
			return nil, fmt.Errorf("%w: more than %d holes", ErrMalformedCursor, MaxCursorHoles)
		}
	}
	slices.Reverse(holes)
	return holes, nil
}

// bitWriter appends numbers of any width, the highest bit first.
type bitWriter struct {
	bytes []byte
	used  int // bits
}

// write appends the lowest bits of n; none if width is not positive.
func (w *bitWriter) write(n uint64, width int) {
	for width > 0 {
		if w.used%8 == 0 {
			w.bytes = append(w.bytes, 0)
		}
		free := 8 - w.used%8
		some := min(free, width)
		width -= some
		w.bytes[len(w.bytes)-1] |= byte(n>>width) & (1<<some - 1) << (free - some)
		w.used += some
	}
}

// bitReader reads what a bitWriter has written. Beyond the end, all bits are 0.
type bitReader struct {
	bytes []byte
	used  int // bits
}

func (r *bitReader) left() int { return 8*len(r.bytes) - r.used }

// next64 returns the next 64 bits, and skips none.
func (r *bitReader) next64() uint64 {
	var window [9]byte
	if i := r.used / 8; i < len(r.bytes) {
		copy(window[:], r.bytes[i:])
	}
	shift := r.used % 8
	return binary.BigEndian.Uint64(window[:8])<<shift | uint64(window[8])>>(8-shift)
}

// read returns the next bits, at most 64; 0 if width is not positive.
func (r *bitReader) read(width int) uint64 {
	if width <= 0 {
		return 0
	}
	n := r.next64() >> (64 - width)
	r.used += width
	return n
}

// zeros skips the zeros before the next one, and returns how many there were; -1 if only zeros are left.
func (r *bitReader) zeros() int {
	for n := 0; r.left() > 0; n += 64 {
		if ahead := r.next64(); ahead != 0 {
			skip := bits.LeadingZeros64(ahead)
			r.used += skip
			return n + skip
		}
		r.used += 64
	}
	return -1
}

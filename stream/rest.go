package stream

import "slices"

// smallRest is the size up to which each client may have a copy of the rest of a frame, or of an envelope in a batch. A
// larger one is in the memory of the feed: clients that are stuck in large frames, each at another byte, would need as
// much again each.
const smallRest = 16 << 10

func isLarge(b []byte) bool { return len(b) > smallRest }

// restOf returns bufs without the first n bytes. It shares the large buffers, and copies the others, so that they do not
// keep their blocks in memory.
func restOf(bufs [][]byte, n int) (rest [][]byte) {
	var small []byte
	for _, b := range bufs {
		cut := min(n, len(b))
		n -= cut
		switch b := b[cut:]; {
		case !isLarge(b):
			small = append(small, b...)
		case len(small) > 0:
			rest, small = append(rest, small, b), nil
		default:
			rest = append(rest, b)
		}
	}
	if len(small) > 0 {
		rest = append(rest, small)
	}
	return rest
}

// CopySmall returns bufs with the small ones copied. A client that takes long for them then keeps no block of the feed in
// memory, except those that Pin counts.
func CopySmall(bufs [][]byte) [][]byte { return restOf(bufs, 0) }

// shareOrCopy returns rest, a part of data, in a form that does not keep all of data in memory if rest is small: it then
// copies rest if that is less than half of data. Otherwise it returns the shared bytes.
func shareOrCopy(rest, data []byte) [][]byte {
	if isLarge(rest) || len(rest) >= len(data)/2 {
		return [][]byte{rest}
	}
	return [][]byte{slices.Clone(rest)}
}

package request

import "sync/atomic"

const (
	// smallBody is the size up to which a body needs no reservation, so that many large ones, which may be
	// sent slowly, cannot make small ones fail.
	smallBody = 4 << 10
	// bodyFactor is how many bytes are needed for each byte of a body: it is read, parsed and copied.
	bodyFactor = 4
)

// Bodies bounds the memory of large bodies. It is safe for concurrent use.
type Bodies struct {
	limit int64
	used  atomic.Int64
}

// NewBodies returns a bound of the given number of bytes.
func NewBodies(limit int64) *Bodies { return &Bodies{limit: limit} }

func (b *Bodies) reserve(n int64) bool {
	if b == nil {
		return true
	}
	if b.used.Add(n) > b.limit {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *Bodies) release(n int64) {
	if b != nil {
		b.used.Add(-n)
	}
}

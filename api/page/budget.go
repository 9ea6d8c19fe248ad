package page

import "sync/atomic"

// Budget bounds the memory of all pages together. It is safe for concurrent use.
type Budget struct {
	limit int64
	used  atomic.Int64
}

// NewBudget returns a budget of the given number of bytes.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// Used returns the bytes that are reserved.
func (b *Budget) Used() int64 { return b.used.Load() }

func (b *Budget) reserve(n int64) bool {
	if b.used.Add(n) > b.limit {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *Budget) release(n int64) { b.used.Add(-n) }

// Hold reserves n bytes, and returns the function that gives them back. It returns false if the budget has no room: a few
// bytes have it always.
func (b *Budget) Hold(n int64) (release func(), ok bool) {
	n = max(0, n-free)
	if !b.reserve(n) {
		return nil, false
	}
	return func() { b.release(n) }, true
}

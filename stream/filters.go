package stream

import (
	"crypto/sha256"
	"errors"
	"runtime"
	"strings"
	"sync"
	"time"
	"unsafe"
	"weak"
)

// ErrFiltersFull says that the filters of the open streams take as much memory as they may.
var ErrFiltersFull = errors.New("the filters of all streams take too much memory")

// smallFilter is the size of a filter, and of grants, below which they are neither shared nor counted: a
// stream costs about as much as they do.
const smallFilter = 1 << 10

// ShareFilter returns an equal filter that shares its memory with those of other streams. It returns
// ErrFiltersFull if there is no memory for it.
func (f *Feed) ShareFilter(filter Filter) (Filter, error) {
	if c := filter.criteria; c != nil && c.size() > smallFilter {
		shared, ok := f.filters.share(c.canonical, c.size(), func() *criteria { return c })
		if !ok {
			return Filter{}, ErrFiltersFull
		}
		filter.criteria = shared
	}
	grants := filter.grants()
	size := sizeOf(grants)
	if size <= smallFilter {
		return filter, nil
	}
	hash := sha256.Sum256([]byte(strings.Join(grants, "\x00")))
	shared, ok := f.filters.share("grants "+string(hash[:]), size, func() *criteria { return filter.granted })
	if !ok {
		return Filter{}, ErrFiltersFull
	}
	filter.granted = shared
	return filter, nil
}

// size estimates the memory of the criteria in bytes.
func (c *criteria) size() int64 {
	size := 256 + int64(len(c.canonical)) + c.eventFilter.size()
	for i := range c.selections {
		s := &c.selections[i]
		size += int64(unsafe.Sizeof(*s)) + allocated(len(s.id)) + allocated(len(s.quotedID)) + allocated(len(s.quotedName)) + s.where.Size() + s.events.size()
	}
	return size
}

// size estimates the memory of the filter in bytes.
func (c *eventFilter) size() int64 {
	size := sizeOf(c.types) + sizeOf(c.keys)
	for i := range c.where {
		size += 64 + sizeOf(c.where[i].values)
	}
	return size
}

// sizeOf estimates the memory of texts in bytes.
func sizeOf(texts []string) int64 {
	size := int64(0)
	for _, t := range texts {
		size += tagOverhead + allocated(len(t))
	}
	return size
}

// cloneAll returns copies of the texts, which keep no larger text in memory. The copies are next to each other.
func cloneAll(texts []string) []string {
	all := strings.Clone(strings.Join(texts, "")) // Join does not copy a single one
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i], all = all[:len(t)], all[len(t):]
	}
	return out
}

// interner holds values by name as long as others refer to them, up to a limit of bytes.
type interner[T any] struct {
	limit int64

	mu        sync.Mutex
	byName    map[string]weak.Pointer[T]
	bytes     int64
	collected time.Time // when share last called the garbage collector
}

func newInterner[T any](limit int64) *interner[T] {
	return &interner[T]{limit: limit, byName: make(map[string]weak.Pointer[T])}
}

// share returns the value of the name, which it makes if there is none. It returns false if that would
// exceed the limit.
func (n *interner[T]) share(name string, size int64, make func() *T) (*T, bool) {
	if v, ok := n.tryShare(name, size, make); ok || !n.mayCollect() {
		return v, ok
	}
	runtime.GC() // the values of ended streams may not have been collected
	runtime.Gosched()
	return n.tryShare(name, size, make)
}

func (n *interner[T]) tryShare(name string, size int64, make func() *T) (*T, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if v := n.byName[name].Value(); v != nil {
		return v, true
	}
	if n.bytes+size > n.limit {
		return nil, false
	}
	v := make()
	pointer := weak.Make(v)
	n.byName[name] = pointer
	n.bytes += size
	runtime.AddCleanup(v, func(struct{}) { n.forget(name, pointer, size) }, struct{}{})
	return v, true
}

// forget subtracts a value that was collected. The name may have another one already.
func (n *interner[T]) forget(name string, pointer weak.Pointer[T], size int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.bytes -= size
	if n.byName[name] == pointer {
		delete(n.byName, name)
	}
}

// collectInterval is the shortest time between two collections that a full interner causes.
const collectInterval = time.Second

func (n *interner[T]) mayCollect() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if time.Since(n.collected) < collectInterval {
		return false
	}
	n.collected = time.Now()
	return true
}

// held returns the bytes of the values.
func (n *interner[T]) held() int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.bytes
}

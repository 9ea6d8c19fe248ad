package stream

import (
	"sync"

	"github.com/pgherald/pgherald/stream/collection"
)

// Grow takes in collections, and fields of collections, that the server did not know before: see collection.Set.Grow, whose
// result it returns. Clients that select them receive their events of before, too.
func (f *Feed) Grow(collections []collection.Collection) (refused []string) {
	f.mu.Lock() // no entry is being parsed
	defer f.mu.Unlock()
	version := f.opts.Collections.Version()
	refused = f.opts.Collections.Grow(collections)
	if f.opts.Collections.Version() == version {
		return refused
	}
	for _, e := range f.buffer.entries {
		f.buffer.fields.Add(-e.changeSpace)
		e.changes, e.changeSpace, e.changesOnce = nil, 0, sync.Once{}
	}
	return refused
}

// Collections returns those that the feed knows.
func (f *Feed) Collections() *collection.Set { return f.opts.Collections }

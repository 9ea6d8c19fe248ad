package server

import (
	"fmt"
	"slices"

	"github.com/pgherald/pgherald/db/collections"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/triggers"
)

// served holds what the server shows of its spec. It is immutable: follow replaces it.
type served struct {
	types     []string             // of the spec's events and of the engine's; nil if they are not known
	events    []triggers.EventType // that are no part of a collection
	lists     []collections.Source
	all       []collection.Collection
	withheld  []string // names of collections
	refused   []string // names of those that streams cannot follow
	isCurrent bool     // whether the spec is the one that was applied last
}

// has reports whether there is a collection of that name.
func (s *served) has(name string) bool {
	return slices.ContainsFunc(s.all, func(c collection.Collection) bool { return c.Name == name })
}

// show begins to show what there is. What is shown later goes through showNext.
func (b *base) show(now *served) (err error) {
	b.served.Store(now)
	if b.collections, err = collection.NewSet(now.all); err != nil {
		return fmt.Errorf("serve the collections: %w", err)
	}
	b.collections.Restrict(now.withheld, nil)
	return nil
}

// showNext takes in what has changed. setLists makes the lists those of now; a server without a database has none.
func (b *base) showNext(now *served, setLists func() error) error {
	// At first no client reads any more what may show too much. What is shown again waits for its new list.
	gone := b.gone(now)
	b.collections.Restrict(slices.Concat(b.served.Load().withheld, now.withheld), gone)
	before := b.collections.Version()
	b.collections.Narrow(now.all)
	if err := setLists(); err != nil { // before streams know them: a client reads the list first
		return err
	}
	now.withheld = append(now.withheld, b.grow(now)...)
	b.collections.Restrict(now.withheld, gone)
	b.served.Store(now)
	b.changes.Add(1)
	if b.collections.Version() != before {
		b.logger.Info("collections followed the spec", "collections", len(b.collections.All()))
	}
	return nil
}

// grow takes in what is new for streams. It returns the names of the collections whose events streams could not follow.
func (b *base) grow(now *served) (withheld []string) {
	for _, name := range b.feed.Grow(now.all) {
		now.refused = append(now.refused, name)
		if !slices.Contains(b.served.Load().refused, name) {
			b.logger.Warn("collection has changed in a way that streams cannot follow: restart this server", "collection", name)
		}
		known := b.collections.ByName(name)
		if known == nil || !slices.ContainsFunc(now.all, known.HasSameEvents) {
			withheld = append(withheld, name)
		}
	}
	return withheld
}

// gone returns the names of the collections that the server knows and its spec no longer has, and logs the new ones.
func (b *base) gone(now *served) []string {
	var names []string
	for _, c := range b.collections.All() {
		if now.has(c.Name) || slices.Contains(now.withheld, c.Name) {
			continue
		}
		names = append(names, c.Name)
		b.logger.Warn("collection has left the spec, and is not served any more", "collection", c.Name, "table", c.Table)
	}
	for _, name := range b.collections.Gone() {
		if !now.has(name) && !slices.Contains(now.withheld, name) {
			names = append(names, name)
		}
	}
	return names
}

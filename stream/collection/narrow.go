package collection

import (
	"maps"
	"slices"
)

// Narrow hides the filter fields that a collection of the set has and the given one of the same name lacks, also if it shows
// another column by that name: their conditions would tell what the rows no longer show. Each field keeps its place, so that
// filters that were parsed before remain valid. Only Grow shows a hidden field again: it knows since when events have it.
func (s *Set) Narrow(collections []Collection) {
	s.growing.Lock()
	defer s.growing.Unlock()
	for i := range collections {
		now := s.now.Load()
		old := now.byName[collections[i].Name]
		if old == nil {
			continue
		}
		narrowed := old.narrowedTo(&collections[i])
		if narrowed == nil {
			continue
		}
		list := slices.DeleteFunc(slices.Clone(now.list), func(other *Collection) bool { return other == old })
		next, err := newContents(append(list, narrowed))
		if err != nil {
			continue // never: it has the names and types of the old one
		}
		next.version, next.withheld, next.gone = now.version+1, now.withheld, now.gone
		maps.Copy(next.reduced, now.reduced)
		s.now.Store(next)
	}
}

// narrowedTo returns the collection with the fields hidden that the newer one does not let clients filter by, nil if these
// are hidden already.
func (c *Collection) narrowedTo(newer *Collection) *Collection {
	narrowed := *c
	narrowed.Fields = slices.Clone(c.Fields)
	hasChanged := false
	for i := range narrowed.Fields {
		f := &narrowed.Fields[i]
		if !f.MayFilter() {
			continue
		}
		if same := newer.Field(f.Name); same == nil || same.Filter == "" || same.Column != f.Column {
			f.IsHidden, hasChanged = true, true
		}
	}
	if !hasChanged {
		return nil
	}
	return &narrowed
}

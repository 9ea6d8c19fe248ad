package collection

import (
	"fmt"
	"maps"
	"slices"
)

// WithheldError reports a collection that the server must not show for now: what is installed in the database is another
// state of the spec than the server's, which may show less of the rows, or to fewer clients.
type WithheldError struct{ Collection string }

// Error says why the collection is withheld.
func (e *WithheldError) Error() string {
	return fmt.Sprintf("read the collection %s: its installed triggers are not those of this server's spec", e.Collection)
}

// Restrict replaces which collections the set does not show: the withheld ones, which may come back and need not be in the
// set, and those that are gone.
func (s *Set) Restrict(withheld, gone []string) {
	s.growing.Lock()
	defer s.growing.Unlock()
	next := *s.now.Load()
	next.withheld, next.gone = setOf(withheld), setOf(gone)
	if !maps.Equal(next.gone, s.now.Load().gone) {
		next.version++
	}
	s.now.Store(&next)
}

// Gone returns the names of the collections of the set that are gone.
func (s *Set) Gone() []string { return slices.Sorted(maps.Keys(s.now.Load().gone)) }

// Find returns the collection of that name, nil if there is none. Its error is a *WithheldError.
func (s *Set) Find(name string) (*Collection, error) {
	now := s.now.Load()
	switch {
	case now.withheld[name]:
		return nil, &WithheldError{name}
	case now.gone[name]:
		return nil, nil
	}
	return now.byName[name], nil
}

// All returns the collections that are not gone, sorted by name.
func (s *Set) All() []*Collection {
	now := s.now.Load()
	if len(now.gone) == 0 {
		return now.list
	}
	return slices.DeleteFunc(slices.Clone(now.list), func(c *Collection) bool { return now.gone[c.Name] })
}

func setOf(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

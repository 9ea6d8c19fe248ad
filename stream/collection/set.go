package collection

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Set holds the collections that a server knows. It never forgets one, nor a field of one: see Grow. It is safe for
// concurrent use.
type Set struct {
	growing sync.Mutex
	now     atomic.Pointer[contents]
}

// contents are a state of a set. They are immutable, except for reduced.
type contents struct {
	version   uint64
	list      []*Collection
	byName    map[string]*Collection
	byType    map[string]*Collection
	byTable   map[string]*Collection
	showing   map[string][]*Collection // by table
	truncates map[string]bool          // types
	reduced   map[string]*atomic.Int64 // by name
	withheld  map[string]bool          // names; see Restrict
	gone      map[string]bool
}

// NewSet returns a set. Its error names two collections that have a name or the type of an event in common.
func NewSet(collections []Collection) (*Set, error) {
	pointers := make([]*Collection, len(collections))
	for i := range collections {
		c := collections[i]
		pointers[i] = &c
	}
	k, err := newContents(pointers)
	if err != nil {
		return nil, err
	}
	s := &Set{}
	s.now.Store(k)
	return s, nil
}

func newContents(collections []*Collection) (*contents, error) {
	k := &contents{
		byName: map[string]*Collection{}, byType: map[string]*Collection{}, byTable: map[string]*Collection{},
		showing: map[string][]*Collection{}, truncates: map[string]bool{}, reduced: map[string]*atomic.Int64{},
	}
	for _, c := range collections {
		if k.byName[c.Name] != nil {
			return nil, fmt.Errorf("name the collections: two tables have the collection %q", c.Name)
		}
		for eventType := range c.Types {
			if other := k.byType[eventType]; other != nil {
				return nil, fmt.Errorf("name the collections: the events of type %q belong to %q and %q", eventType, other.Name, c.Name)
			}
			k.byType[eventType] = c
		}
		k.byName[c.Name], k.byTable[c.Table] = c, c
		k.list, k.reduced[c.Name] = append(k.list, c), new(atomic.Int64)
		if c.Truncated != "" {
			k.truncates[c.Truncated] = true
		}
		for _, table := range append([]string{c.Table}, c.Others...) {
			k.showing[table] = append(k.showing[table], c)
		}
	}
	slices.SortFunc(k.list, func(a, b *Collection) int { return cmp.Compare(a.Name, b.Name) })
	return k, nil
}

// Grow takes in what is new: collections, and fields after those that a collection has. Filters that were parsed before
// remain valid. It returns the names of the collections that it refuses, because they have changed in another way: streams
// could not go on with them.
func (s *Set) Grow(collections []Collection) (refused []string) {
	s.growing.Lock()
	defer s.growing.Unlock()
	for _, c := range collections {
		now := s.now.Load()
		old := now.byName[c.Name]
		if old != nil && isSame(old, &c) {
			continue
		}
		list := slices.DeleteFunc(slices.Clone(now.list), func(other *Collection) bool { return other == old })
		next, err := newContents(append(list, &c))
		if err != nil || old != nil && !c.extends(old) {
			refused = append(refused, c.Name)
			continue
		}
		next.version, next.withheld, next.gone = now.version+1, now.withheld, now.gone
		maps.Copy(next.reduced, now.reduced)
		s.now.Store(next)
	}
	return refused
}

// isSame reports whether nothing has changed that a set shows.
func isSame(a, b *Collection) bool {
	return a.extends(b) && b.extends(a) && slices.Equal(a.Others, b.Others) && slices.EqualFunc(a.Fields, b.Fields, func(x, y Field) bool {
		return x.Filter == y.Filter && x.FilterSince == y.FilterSince && x.IsHidden == y.IsHidden && x.Nullable == y.Nullable && slices.Equal(x.Labels, y.Labels)
	})
}

// HasSameEvents reports whether both are collections of the same name, table, key and types.
func (c *Collection) HasSameEvents(other Collection) bool {
	return c.Name == other.Name && c.Table == other.Table && c.Truncated == other.Truncated && slices.Equal(c.Key, other.Key) &&
		maps.Equal(c.Types, other.Types)
}

// extends reports whether c is the older collection, perhaps with more fields or filters after those that it had.
func (c *Collection) extends(older *Collection) bool {
	if !c.HasSameEvents(*older) || len(c.Fields) < len(older.Fields) {
		return false
	}
	for i, f := range older.Fields {
		g := c.Fields[i]
		if f.Name != g.Name || f.Type != g.Type || f.JSONType != g.JSONType || f.Filter != "" && (f.Filter != g.Filter || f.Column != g.Column) {
			return false
		}
	}
	// A filter knows its field by the place among the filter fields.
	have, had := c.filterNames(), older.filterNames()
	return len(have) >= len(had) && slices.Equal(have[:len(had)], had)
}

func (c *Collection) filterNames() []string {
	var names []string
	for i := range c.Fields {
		if c.Fields[i].Filter != "" {
			names = append(names, c.Fields[i].Name)
		}
	}
	return names
}

// Version counts the changes of what All returns.
func (s *Set) Version() uint64 { return s.now.Load().version }

// ByName returns the collection of that name, also one that Restrict names, and nil if there is none. For a client, use Find.
func (s *Set) ByName(name string) *Collection { return s.now.Load().byName[name] }

// ByType returns the collection that events of the type are about, nil if there is none.
func (s *Set) ByType(eventType string) *Collection { return s.now.Load().byType[eventType] }

// ByTable returns the collection of the table, nil if there is none.
func (s *Set) ByTable(table string) *Collection { return s.now.Load().byTable[table] }

// Showing returns the collections whose rows events of the table change.
func (s *Set) Showing(table string) []*Collection { return s.now.Load().showing[table] }

// IsTruncate reports whether a TRUNCATE of the table of a collection gives events of the type.
func (s *Set) IsTruncate(eventType string) bool { return s.now.Load().truncates[eventType] }

// ReasonSpec is the reason of a collection_reset with which a newer spec says that it no longer has a table, or a filter
// field of its collection.
const ReasonSpec = "spec"

// Reduce notes that a newer spec has taken filter fields from the collection of the table.
func (s *Set) Reduce(table string, event int64) {
	now := s.now.Load()
	if c := now.byTable[table]; c != nil {
		now.reduced[c.Name].CompareAndSwap(0, event)
	}
}

// IsReduced reports whether an event of the collection came after a newer spec had taken filter fields from it: the event
// may lack former values of these.
func (s *Set) IsReduced(c *Collection, event int64) bool {
	since := s.now.Load().reduced[c.Name].Load()
	return since != 0 && event > since
}

// Is reports whether both are the same collection of one set, perhaps at different times.
func (c *Collection) Is(other *Collection) bool {
	return c == other || c != nil && other != nil && c.Name == other.Name
}

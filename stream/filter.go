package stream

import (
	"fmt"
	"slices"
	"strings"
)

// maxTypes is how many types one filter may name.
const maxTypes = 64

// Filter says which events a subscription is sent. The zero Filter lets every event through
// that is meant for everyone; one with an audience is sent to nobody whose grants are unknown.
type Filter struct {
	types []string // sorted; nil means every type
	id    string   // equal for filters that let the same through
}

// ParseTypes reads a comma-separated list of event types, as in ?types=a,b. An empty list is an
// error: nobody subscribes in order to hear nothing.
func ParseTypes(list string) (Filter, error) {
	types := strings.Split(list, ",")
	if len(types) > maxTypes {
		return Filter{}, fmt.Errorf("%d types are too many: at most %d", len(types), maxTypes)
	}
	for _, t := range types {
		if t == "" {
			return Filter{}, fmt.Errorf("empty type in %q: give a comma-separated list such as activity_created,activity_updated", list)
		}
	}
	slices.Sort(types)
	types = slices.Compact(types)
	return Filter{types: types, id: strings.Join(types, ",")}, nil
}

// Match reports whether the frame is to be sent.
func (f *Filter) Match(fr *frame) bool {
	if fr.audience != nil {
		return false
	}
	if f.types == nil {
		return true
	}
	_, ok := slices.BinarySearch(f.types, fr.kind)
	return ok
}

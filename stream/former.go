package stream

import (
	"encoding/json"
	"slices"
)

// former holds what an update has changed, as far as it decides which clients had the row.
type former struct {
	values      json.RawMessage // of filter fields; nil if there are none
	audience    []string        // nil if it was public, or did not change
	hasAudience bool            // whether it changed
}

// formerOverhead is the memory of a former, in bytes.
const formerOverhead = 64

// maxRowKey is the length of a key, in bytes, above which a stream of collections does not tell rows apart by it: no index
// of PostgreSQL holds a longer one, unless it is compressed.
const maxRowKey = 2700

// isOfRow reports whether the frame says which row it is about. If not, a client must load all rows again.
func (f *frame) isOfRow() bool { return f.key != "" && len(f.key) <= maxRowKey }

// addFormer returns what the next frame needs of an event's former state, nil if nothing, and counts its memory.
func (e *entry) addFormer(ev *Event) *former {
	if ev.Was == nil && ev.AudienceWas == nil {
		return nil
	}
	f := &former{values: ev.Was, hasAudience: ev.AudienceWas != nil}
	e.space += formerOverhead + allocated(cap(ev.Was))
	if f.hasAudience && !slices.Contains(ev.AudienceWas, Everyone) {
		f.audience = ev.AudienceWas
		e.formerAudiences += tagsSize(ev.AudienceWas)
	}
	if f.hasAudience {
		e.formerAudiences++
	}
	return f
}

// tagsSize estimates the memory of tags in bytes.
func tagsSize(tags []string) (size int64) {
	for _, tag := range tags {
		size += tagOverhead + allocated(len(tag))
	}
	return size
}

package judge

import (
	"encoding/json"
	"net/url"
	"slices"
)

// Filter selects events for a client. The judge decides by the text of docs/protocol.md what it matches.
type Filter struct {
	Types []string
	Keys  []string
	Where map[string][]string
}

// Query returns the parameters of the request.
func (f Filter) Query() url.Values {
	q := url.Values{}
	for _, t := range f.Types {
		q.Add("types", t)
	}
	if len(f.Types) > 0 {
		q.Set("unknown", "allow") // before the first event of the type
	}
	for _, k := range f.Keys {
		q.Add("key", k)
	}
	for field, values := range f.Where {
		for _, v := range values {
			q.Add("where."+field, v)
		}
	}
	return q
}

// matches reports whether a client with this filter receives an event.
func (f Filter) matches(e *Logged) bool {
	switch {
	case e.Type == "collection_reset": // reaches every client
		return true
	case e.Type == "table_truncated" && (f.Keys != nil || f.Where != nil):
		return false
	case f.Types != nil && !slices.Contains(f.Types, e.Type):
		return false
	case f.Keys != nil && !slices.Contains(f.Keys, e.Key):
		return false
	}
	if len(f.Where) == 0 {
		return true
	}
	var fields map[string]any
	if json.Unmarshal(e.Data, &fields) != nil {
		return false
	}
	for field, values := range f.Where {
		text, ok := fields[field].(string)
		if !ok || !slices.Contains(values, text) {
			return false
		}
	}
	return true
}

package stream

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"strings"

	"github.com/pgherald/pgherald/stream/collection"
)

// The names and the bounds of the parameters of a stream of collections.
const (
	paramCollection = "collection"
	paramAny        = "any"
	paramSelection  = "q." // followed by a name for the selection

	maxSelections = 16
)

var selectionID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// selectsRows reports whether the parameters are those of a stream of collections.
func selectsRows(params map[string][]string) bool {
	for name := range params {
		if name == paramCollection || strings.HasPrefix(name, paramSelection) {
			return true
		}
	}
	return false
}

// parseSelections returns the selections that the parameters of the given names describe. The names are sorted.
func parseSelections(names []string, params map[string][]string, set *collection.Set) (selections []selection, err error) {
	for _, name := range names {
		detail := ""
		switch isOne := params[paramCollection] != nil; {
		case name == paramKey:
			continue
		case name == paramTypes:
			detail = "cannot be combined with collections, which get every event that changes their rows: leave it out"
		case isOne && strings.HasPrefix(name, paramSelection):
			detail = "cannot be combined with collection=: give each collection as q.NAME=collection:orders;where.status=open"
		case !isOne && collection.IsParam(name):
			detail = "belongs into a selection: q.NAME=collection:orders;where.status=open"
		case name == paramCollection:
			s, err := parseCollection(params[name], params, set)
			if err != nil {
				return nil, err
			}
			selections = append(selections, s)
		case !isOne && len(selections) == maxSelections:
			detail = fmt.Sprintf("is too much: a stream has at most %d selections", maxSelections)
		case !isOne:
			s, err := parseSelection(name, params[name], set)
			if err != nil {
				return nil, err
			}
			selections = append(selections, s)
		}
		if detail != "" {
			return nil, &ParamError{Param: name, Detail: detail}
		}
	}
	return selections, nil
}

// parseCollection parses the one selection of a stream without names.
func parseCollection(given []string, params map[string][]string, set *collection.Set) (selection, error) {
	if len(given) != 1 {
		detail := fmt.Sprintf("is given %d times: give each collection as q.NAME=collection:orders;where.status=open", len(given))
		return selection{}, &ParamError{Param: paramCollection, Detail: detail}
	}
	c, err := set.Find(given[0])
	if err != nil {
		return selection{}, err
	}
	if c == nil {
		return selection{}, &ParamError{Param: paramCollection, Detail: unknownCollection(given[0], set), IsUnknown: true}
	}
	where, err := collection.Parse(c, params)
	return newSelection("", c, where), err
}

// parseSelection parses a named selection.
func parseSelection(name string, given []string, set *collection.Set) (selection, error) {
	invalid := func(detail string) error { return &ParamError{Param: name, Detail: detail} }
	id := strings.TrimPrefix(name, paramSelection)
	if !selectionID.MatchString(id) {
		return selection{}, invalid("has a bad name: up to 32 letters, digits, _ and -")
	}
	if len(given) != 1 {
		return selection{}, invalid(fmt.Sprintf("is given %d times: each selection has a name of its own", len(given)))
	}
	of, conditions, _ := strings.Cut(given[0], ";")
	of, found := strings.CutPrefix(of, paramCollection+":")
	of, err := url.PathUnescape(of)
	if !found || err != nil {
		return selection{}, invalid("must begin with the collection: q.NAME=collection:orders;where.status=open;any=(total.gt.100,total.is.null)")
	}
	c, err := set.Find(of)
	if err != nil {
		return selection{}, err
	}
	if c == nil {
		return selection{}, &ParamError{Param: name, Detail: unknownCollection(of, set), IsUnknown: true}
	}
	params, detail := parseConditions(conditions)
	if detail != "" {
		return selection{}, invalid(detail)
	}
	where, err := collection.Parse(c, params)
	if wrong, ok := err.(*ParamError); ok { //nolint:errorlint // it is never wrapped
		return selection{}, &ParamError{Param: name, Detail: "has " + wrong.Param + ", which " + wrong.Detail, IsUnknown: wrong.IsUnknown}
	}
	return newSelection(strings.Clone(id), c, where), nil
}

// parseConditions splits the conditions of a named selection. Names and values are encoded once more than the query
// string, so that they may contain semicolons.
func parseConditions(text string) (url.Values, string) {
	params := url.Values{}
	if text == "" {
		return params, ""
	}
	for part := range strings.SplitSeq(text, ";") {
		name, value, _ := strings.Cut(part, "=")
		name, errName := url.PathUnescape(name)
		value, errValue := url.PathUnescape(value)
		switch {
		case errName != nil || errValue != nil:
			return nil, "has a bad percent encoding: within a selection, encode %, ; and other special characters once more"
		case !collection.IsParam(name):
			return nil, fmt.Sprintf("has %s: after the collection, separated by semicolons, come where.FIELD=VALUE and any=(…)", quoteStart(name))
		}
		params.Add(name, value)
	}
	return params, ""
}

// addTo adds the parameters of the selection.
func (s *selection) addTo(params url.Values) {
	where := s.where.Canonical()
	if s.id == "" {
		params.Set(paramCollection, s.collection.Name)
		conditions, _ := url.ParseQuery(where) // which is a query string
		maps.Copy(params, conditions)
		return
	}
	text := paramCollection + ":" + url.PathEscape(s.collection.Name)
	if where != "" {
		text += ";" + strings.NewReplacer("&", ";", "+", "%20").Replace(where)
	}
	params.Set(paramSelection+s.id, text)
}

// maxListed bounds the names that an error lists.
const maxListed = 100

// unknownCollection says which collections there are.
func unknownCollection(name string, set *collection.Set) string {
	var known []string
	for _, c := range set.All() {
		known = append(known, c.Name)
	}
	switch n := len(known); {
	case n == 0:
		return fmt.Sprintf("is %s, but this server has no collections: its spec names none", quoteStart(name))
	case n > maxListed:
		known = append(known[:maxListed], fmt.Sprintf("and %d more", n-maxListed))
	}
	return fmt.Sprintf("is %s, which is unknown: the collections are %s", quoteStart(name), strings.Join(known, ", "))
}

// quoteStart quotes the text, or the beginning of a long one.
func quoteStart(text string) string {
	const most = 60
	if len(text) > most {
		return fmt.Sprintf("%q…", strings.ToValidUTF8(text[:most], ""))
	}
	return fmt.Sprintf("%q", text)
}

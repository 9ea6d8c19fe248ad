package stream

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/pgherald/pgherald/stream/collection"
)

// The names and the bounds of the parameters of a stream of collections, or of several selections.
const (
	paramCollection = "collection"
	paramAny        = "any"
	paramSelection  = "q." // followed by a name for the selection

	maxSelections = 16
)

var selectionID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// hasSelections reports whether the parameters are those of a stream of collections, or of several selections.
func hasSelections(params map[string][]string) bool {
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
		case name == paramTypes && isOne:
			detail = "cannot be combined with collections, which get every event that changes their rows: leave it out"
		case name == paramTypes:
			detail = "cannot be combined with selections: give it in one of them, as in q.NAME=events;types=order_created"
		case isOne && strings.HasPrefix(name, paramSelection):
			detail = "cannot be combined with collection=: give each collection as q.NAME=collection:orders;where.status=open"
		case !isOne && collection.IsParam(name):
			detail = "belongs into a selection: q.NAME=collection:orders;where.status=open or q.NAME=events;where.location=HQ"
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
	return newSelection("", c, where, eventFilter{}), err
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

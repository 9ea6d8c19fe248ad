package stream

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/pgherald/pgherald/stream/collection"
)

// A named selection begins with what it selects, a collection or events. Its conditions follow, each after a semicolon:
//
//	q.open=collection:orders;where.status=open;any=(total.gt.100,total.is.null);key=7
//	q.paid=events;types=order_paid,order_updated;key=7;where.location=HQ
//
// Names and values are encoded once more than the query string, so that they may contain semicolons.
const (
	ofEvents     = "events"
	ofCollection = paramCollection + ":" // followed by its name
)

const badEncoding = "has a bad percent encoding: within a selection, encode %, ; and other special characters once more"

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
	if of == ofEvents {
		events, err := parseEvents(name, conditions)
		return newSelection(strings.Clone(id), nil, nil, events), err
	}
	of, found := strings.CutPrefix(of, ofCollection)
	of, err := url.PathUnescape(of)
	if !found || err != nil {
		return selection{}, invalid("must begin with the collection, as in q.NAME=collection:orders;where.status=open;any=(total.gt.100,total.is.null), " +
			"or with events, as in q.NAME=events;types=order_created,order_updated;where.location=HQ")
	}
	c, err := set.Find(of)
	if err != nil {
		return selection{}, err
	}
	if c == nil {
		return selection{}, &ParamError{Param: name, Detail: unknownCollection(of, set), IsUnknown: true}
	}
	return parseRows(name, id, c, conditions)
}

// parseRows parses the conditions of a selection of rows.
func parseRows(name, id string, c *collection.Collection, conditions string) (selection, error) {
	params, err := parseConditions(name, conditions, isRowParam, "after the collection, separated by semicolons, come where.FIELD=VALUE, any=(…) and key=KEY")
	if err != nil {
		return selection{}, err
	}
	var keys eventFilter
	if given := params[paramKey]; given != nil {
		if err := keys.addParam(paramKey, given); err != nil {
			return selection{}, within(name, err)
		}
	}
	where, err := collection.Parse(c, params)
	if err != nil {
		return selection{}, within(name, err)
	}
	return newSelection(strings.Clone(id), c, where, keys), nil
}

// parseEvents parses the conditions of a selection of events.
func parseEvents(name, conditions string) (f eventFilter, err error) {
	params, err := parseConditions(name, conditions, isEventParam, "after events, separated by semicolons, come types=TYPE,TYPE, key=KEY and where.FIELD=VALUE")
	if err != nil {
		return f, err
	}
	for _, param := range slices.Sorted(maps.Keys(params)) { // as for a plain stream
		if err := f.addParam(param, params[param]); err != nil {
			return f, within(name, err)
		}
	}
	return f, nil
}

func isRowParam(name string) bool { return name == paramKey || collection.IsParam(name) }

func isEventParam(name string) bool {
	return name == paramTypes || name == paramKey || strings.HasPrefix(name, paramWhere)
}

// within says which parameter of a named selection is wrong.
func within(name string, err error) error {
	if wrong, ok := err.(*ParamError); ok { //nolint:errorlint // it is never wrapped
		return &ParamError{Param: name, Detail: "has " + wrong.Param + ", which " + wrong.Detail, IsUnknown: wrong.IsUnknown}
	}
	return err
}

// parseConditions splits the conditions of a named selection.
func parseConditions(of, text string, isParam func(string) bool, known string) (url.Values, error) {
	params := url.Values{}
	if text == "" {
		return params, nil
	}
	for part := range strings.SplitSeq(text, ";") {
		name, value, _ := strings.Cut(part, "=")
		name, errName := url.PathUnescape(name)
		value, errValue := url.PathUnescape(value)
		switch {
		case errName != nil || errValue != nil:
			return nil, &ParamError{Param: of, Detail: badEncoding}
		case !isParam(name):
			return nil, &ParamError{Param: of, Detail: fmt.Sprintf("has %s: %s", quoteStart(name), known)}
		}
		params.Add(name, value)
	}
	return params, nil
}

// addTo adds the parameters of the selection.
func (s *selection) addTo(params url.Values) {
	if s.id == "" {
		params.Set(paramCollection, s.collection.Name)
		conditions, _ := url.ParseQuery(s.where.Canonical()) // which is a query string
		maps.Copy(params, conditions)
		return
	}
	within := url.Values{}
	s.events.addTo(within)
	text, conditions := ofEvents, within.Encode()
	if s.collection != nil {
		text = ofCollection + url.PathEscape(s.collection.Name)
		conditions = strings.Trim(s.where.Canonical()+"&"+conditions, "&")
	}
	if conditions != "" {
		text += ";" + strings.NewReplacer("&", ";", "+", "%20").Replace(conditions)
	}
	params.Set(paramSelection+s.id, text)
}

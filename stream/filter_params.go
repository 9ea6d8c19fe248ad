package stream

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/pgherald/pgherald/stream/collection"
)

// The names and the bounds of a filter's parameters.
const (
	paramTypes = "types"
	paramKey   = "key"
	paramWhere = "where." // followed by the name of a field

	maxValues = 64   // types, keys, or values of one field
	maxFields = 16   // fields with a condition
	maxText   = 1000 // bytes of each

	maxFilter = 16 << 10 // bytes of all of them, encoded as in a URL
)

// ParamError says what is wrong with a parameter of a filter.
type ParamError = collection.ParamError

// IsFilterParam reports whether ParseFilter reads the parameter of this name.
func IsFilterParam(name string) bool {
	return name == paramTypes || name == paramKey || name == paramCollection ||
		collection.IsParam(name) || strings.HasPrefix(name, paramSelection)
}

// ParseFilter returns the filter that the parameters describe. On a plain stream:
//
//   - types: event types, separated by commas
//   - key: a key of a row
//   - where.FIELD: a text that the payload's top-level FIELD has
//
// Values of one name are alternatives; all names must match. On a stream of collections:
//
//   - key: as above
//   - collection, where.FIELD and any: a collection and a condition, see collection.Parse
//
// On a stream of several selections:
//
//   - key: as above, for all of them
//   - q.NAME: one of them, such as collection:orders;where.status=in.(open,paid) or events;types=order_created
//
// ParseFilter ignores other parameters. The set, which may be nil, must be that of the feed. The error is a *ParamError, or a
// *collection.WithheldError.
func ParseFilter(params map[string][]string, set *collection.Set) (Filter, error) {
	if set == nil {
		set, _ = collection.NewSet(nil)
	}
	c := &criteria{}
	var names []string
	for name := range params {
		if IsFilterParam(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return Filter{}, nil
	}
	slices.Sort(names) // makes the order of the conditions, and which error comes first, stable
	hasSelections := hasSelections(params)
	for _, name := range names {
		if hasSelections && name != paramKey {
			continue
		}
		if err := c.addParam(name, params[name]); err != nil {
			return Filter{}, err
		}
	}
	if hasSelections {
		selections, err := parseSelections(names, params, set)
		if err != nil {
			return Filter{}, err
		}
		c.setSelections(selections)
	}
	text := c.text()
	if len(text) > maxFilter {
		return Filter{}, &ParamError{Param: names[0], Detail: fmt.Sprintf("is too much together with the others: at most %d bytes", maxFilter)}
	}
	hash := sha256.Sum256([]byte(text))
	c.canonical = string(hash[:])
	return Filter{criteria: c}, nil
}

// Types returns the event types that the parameters of the filter name, by parameter.
func (f *Filter) Types() map[string][]string {
	all := map[string][]string{}
	if f.criteria == nil {
		return all
	}
	if f.criteria.types != nil {
		all[paramTypes] = f.criteria.types
	}
	for n := range f.criteria.selections {
		if s := &f.criteria.selections[n]; s.events.types != nil {
			all[paramSelection+s.id] = s.events.types
		}
	}
	return all
}

// text returns the parameters as a query string. Sorted and escaped, it differs for different criteria.
func (c *criteria) text() string {
	params := make(url.Values)
	for i := range c.selections {
		c.selections[i].addTo(params)
	}
	c.addTo(params)
	return params.Encode()
}

// addTo adds the parameters of the filter.
func (c *eventFilter) addTo(params url.Values) {
	for name, values := range map[string][]string{paramTypes: c.types, paramKey: c.keys} {
		if values != nil {
			params[name] = values
		}
	}
	for _, w := range c.where {
		params[paramWhere+w.field] = w.values
	}
}

// addParam adds one parameter to the filter, its values sorted and without repeats.
func (c *eventFilter) addParam(name string, given []string) error {
	if name == paramTypes {
		given = strings.Split(strings.Join(given, ","), ",")
	}
	field, isWhere := strings.CutPrefix(name, paramWhere)
	detail := checkValues(given, isWhere)
	values := cloneAll(given) // the given ones keep the whole query in memory
	slices.Sort(values)
	values = slices.Compact(values)
	switch {
	case detail != "" && detail != emptyValue:
	case name == paramTypes && detail == emptyValue:
		detail = "has an empty type: give a comma-separated list such as activity_created,activity_updated"
	case name == paramAny:
		detail = "is for collections: add collection=NAME"
	case isWhere && slices.ContainsFunc(values, collection.HasOperator):
		detail = "has an operator, which only the filter fields of a collection have: add collection=NAME"
	case isWhere && field == "":
		detail = "names no field: give where.FIELD=VALUE"
	case len(field) > maxText:
		detail = fmt.Sprintf("names a field of more than %d bytes", maxText)
	case isWhere && len(c.where) == maxFields:
		detail = fmt.Sprintf("is too much: conditions on at most %d fields", maxFields)
	}
	if detail != "" {
		return &ParamError{Param: name, Detail: detail}
	}
	switch name {
	case paramTypes:
		c.types = values
	case paramKey:
		c.keys = values
	default:
		c.where = append(c.where, condition{field: strings.Clone(field), values: values})
	}
	return nil
}

const emptyValue = "is empty"

// checkValues returns what is wrong with the values as the client sent them, "" if nothing is.
func checkValues(values []string, mayBeEmpty bool) string {
	if len(values) == 0 {
		return "has no value"
	}
	if len(values) > maxValues {
		return fmt.Sprintf("has %d values, which are too many: at most %d", len(values), maxValues)
	}
	for _, v := range values {
		if len(v) > maxText {
			return fmt.Sprintf("has a value of %d bytes: at most %d", len(v), maxText)
		}
		if v == "" && !mayBeEmpty {
			return emptyValue
		}
	}
	return ""
}

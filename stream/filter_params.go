package stream

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Bounds of a filter's parameters.
const (
	maxValues = 64   // types, keys, or values of one field
	maxFields = 16   // fields with a condition
	maxText   = 1000 // bytes of each
)

// The names of a filter's parameters.
const (
	paramTypes = "types"
	paramKey   = "key"
	paramWhere = "where." // followed by the name of a field
)

// ParamError says what is wrong with a parameter of a filter.
type ParamError struct{ Param, Detail string }

func (e *ParamError) Error() string { return "parameter " + e.Param + " " + e.Detail }

// IsFilterParam reports whether ParseFilter reads the parameter of this name.
func IsFilterParam(name string) bool {
	return name == paramTypes || name == paramKey || strings.HasPrefix(name, paramWhere)
}

// ParseFilter returns the filter that the parameters describe:
//
//   - types: event types, separated by commas
//   - key: a key of a row
//   - where.FIELD: a text that the payload's top-level FIELD has
//
// Values of one name are alternatives; all names must match. ParseFilter ignores other parameters.
// Its error is a *ParamError.
func ParseFilter(params map[string][]string) (Filter, error) {
	c := &criteria{}
	names := make([]string, 0, len(params))
	for name := range params {
		if IsFilterParam(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return Filter{}, nil
	}
	slices.Sort(names) // makes the order of the conditions, and which error comes first, stable
	canonical := make(url.Values, len(names))
	for _, name := range names {
		values, err := c.addParam(name, params[name])
		if err != nil {
			return Filter{}, err
		}
		canonical[name] = values
	}
	c.canonical = canonical.Encode() // sorted and escaped, so that different criteria differ here
	return Filter{criteria: c}, nil
}

// addParam adds one parameter to the criteria. It returns the values, sorted and without repeats.
func (c *criteria) addParam(name string, given []string) ([]string, error) {
	if name == paramTypes {
		given = strings.Split(strings.Join(given, ","), ",")
	}
	field, isWhere := strings.CutPrefix(name, paramWhere)
	detail := checkValues(given, isWhere)
	values := slices.Clone(given)
	slices.Sort(values)
	values = slices.Compact(values)
	switch {
	case detail != "" && detail != emptyValue:
	case name == paramTypes && detail == emptyValue:
		detail = "has an empty type: give a comma-separated list such as activity_created,activity_updated"
	case isWhere && field == "":
		detail = "names no field: give where.FIELD=VALUE"
	case len(field) > maxText:
		detail = fmt.Sprintf("names a field of more than %d bytes", maxText)
	case isWhere && len(c.where) == maxFields:
		detail = fmt.Sprintf("is too much: conditions on at most %d fields", maxFields)
	}
	if detail != "" {
		return nil, &ParamError{Param: name, Detail: detail}
	}
	switch name {
	case paramTypes:
		c.types = values
	case paramKey:
		c.keys = values
	default:
		c.where = append(c.where, condition{field: field, values: values})
	}
	return values, nil
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

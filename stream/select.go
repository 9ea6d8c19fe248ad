package stream

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Bounds of what a client may choose.
const (
	maxValues = 64   // types, keys, or values of one field
	maxFields = 16   // fields with a condition
	maxText   = 1000 // bytes of each
)

// The parameters of a filter.
const (
	paramTypes = "types"
	paramKey   = "key"
	paramWhere = "where." // and the name of a field
)

// ParamError says what is wrong with a parameter of a filter.
type ParamError struct{ Param, Detail string }

func (e *ParamError) Error() string { return "parameter " + e.Param + " " + e.Detail }

// IsFilterParam reports whether ParseFilter reads the parameter of this name.
func IsFilterParam(name string) bool {
	return name == paramTypes || name == paramKey || strings.HasPrefix(name, paramWhere)
}

// ParseFilter reads what a client chooses:
//
//   - types: lists of event types, separated by commas
//   - key: keys of rows
//   - where.FIELD: texts that the payload's top-level FIELD may have
//
// Each may be given several times, which lets more through; parameters of different names restrict
// each other. Parameters that are none of a filter's are not looked at. The error is a *ParamError.
func ParseFilter(params map[string][]string) (Filter, error) {
	r := &rules{}
	names := make([]string, 0, len(params))
	for name := range params {
		if IsFilterParam(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return Filter{}, nil
	}
	slices.Sort(names) // the conditions' order, and that of the errors
	id := make(url.Values, len(names))
	for _, name := range names {
		values, err := r.take(name, params[name])
		if err != nil {
			return Filter{}, err
		}
		id[name] = values
	}
	r.id = id.Encode() // sorted, and escaped: nobody else's
	return Filter{rules: r}, nil
}

// take reads one parameter, and returns its values in their canonical form.
func (r *rules) take(name string, given []string) ([]string, error) {
	if name == paramTypes {
		given = strings.Split(strings.Join(given, ","), ",")
	}
	field, isWhere := strings.CutPrefix(name, paramWhere)
	detail := checkValues(given, isWhere)
	values := slices.Clone(given)
	slices.Sort(values)
	values = slices.Compact(values)
	switch {
	case detail != "" && detail != empty:
	case name == paramTypes && detail == empty:
		detail = "has an empty type: give a comma-separated list such as activity_created,activity_updated"
	case isWhere && field == "":
		detail = "names no field: give where.FIELD=VALUE"
	case len(field) > maxText:
		detail = fmt.Sprintf("names a field of more than %d bytes", maxText)
	case isWhere && len(r.where) == maxFields:
		detail = fmt.Sprintf("is too much: conditions on at most %d fields", maxFields)
	}
	if detail != "" {
		return nil, &ParamError{Param: name, Detail: detail}
	}
	switch name {
	case paramTypes:
		r.types = values
	case paramKey:
		r.keys = values
	default:
		r.where = append(r.where, condition{field: field, values: values})
	}
	return values, nil
}

const empty = "is empty"

// checkValues says what is wrong with the values as they were given.
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
			return empty
		}
	}
	return ""
}

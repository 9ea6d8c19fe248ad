package collection

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// The names and the bounds of a filter's parameters.
const (
	paramAny   = "any"
	paramWhere = "where." // followed by the name of a field
	paramOrder = "order"

	maxFilter      = 16 << 10 // bytes of all parameters
	maxComparisons = 64
	maxValues      = 64 // of a list
	maxDepth       = 4  // of groups in groups
)

// IsParam reports whether Parse reads the parameter of this name.
func IsParam(name string) bool { return name == paramAny || strings.HasPrefix(name, paramWhere) }

// Parse returns the condition that the parameters describe, nil if there are none. All of them must hold:
//
//   - where.FIELD: a comparison such as eq.open, not.in.(a,b) or gt.100; a bare value is eq
//   - any: a group such as (status.eq.open,total.gt.100), of which one must hold
//
// Parse ignores other parameters. Its error is a *ParamError.
func Parse(c *Collection, params url.Values) (*Where, error) {
	var names []string
	size := 0
	for name, values := range params {
		if !IsParam(name) {
			continue
		}
		names = append(names, name)
		for _, v := range values {
			size += len(name) + len(v)
		}
	}
	if names == nil {
		return nil, nil
	}
	slices.Sort(names) // makes stable which error comes first
	if size > maxFilter {
		return nil, &ParamError{Param: names[0], Detail: fmt.Sprintf("is too much together with the other conditions: at most %d bytes", maxFilter)}
	}
	w := &Where{collection: c, root: node{logic: and}}
	p := &parser{collection: c}
	for _, name := range names {
		for _, value := range params[name] {
			n, detail := p.param(name, value)
			if detail != "" {
				return nil, &ParamError{name, detail, p.isUnknown}
			}
			w.root.nodes = append(w.root.nodes, n)
		}
	}
	w.root.normalize()
	w.canonical = w.root.query()
	return w, nil
}

// parser reads the parameters of one filter.
type parser struct {
	collection  *Collection
	comparisons int
	isUnknown   bool // see ParamError
}

// param reads a parameter. Its second result says what is wrong with it.
func (p *parser) param(name, value string) (node, string) {
	s := &scanner{parser: p, rest: value}
	var n node
	var detail string
	if name == paramAny {
		n, detail = s.group(or, false, 1)
	} else {
		n, detail = s.comparison(strings.TrimPrefix(name, paramWhere), false, true)
	}
	if detail == "" && s.rest != "" {
		detail = fmt.Sprintf("goes on after its end with %s", show(s.rest))
	}
	return n, detail
}

// foreign holds operators of PostgREST that filters here do not have. A bare value that begins with one is refused,
// as it would silently be compared as a text.
const foreign = " like ilike match imatch fts plfts phfts wfts cs cd ov sl sr nxr nxl adj isdistinct all any "

// HasOperator reports whether a value of a where. parameter begins with an operator.
func HasOperator(value string) bool {
	name, _, found := strings.Cut(value, ".")
	return found && (name == "not" || isOperator(name))
}

func isOperator(name string) bool {
	return slices.Contains(Integer.Operators(), name)
}

// comparison reads a comparison of the field: all that is left, or up to the end of an item in a group.
func (s *scanner) comparison(name string, not, all bool) (node, string) {
	if s.parser.comparisons++; s.parser.comparisons > maxComparisons {
		return node{}, fmt.Sprintf("is too much: a filter has at most %d comparisons", maxComparisons)
	}
	field, slot := s.parser.collection.filterField(name)
	if field == nil {
		s.parser.isUnknown = true
		return node{}, s.parser.collection.unknownField(name)
	}
	c := comparison{field: field, slot: slot, not: not}
	op, detail := s.operator(&c.not)
	if detail != "" {
		return node{}, detail
	}
	if !slices.Contains(field.Filter.Operators(), op) {
		return node{}, fmt.Sprintf("has the operator %s, but a field of the kind %s has %s; if it is a part of the text, write eq.%s.…",
			op, field.Filter, list(field.Filter.Operators()), op)
	}
	var words []string
	switch {
	case op == "in":
		words, detail = s.list()
	case all:
		words, s.rest = []string{s.rest}, ""
	default:
		words = make([]string, 1)
		words[0], detail = s.word(special)
	}
	if detail == "" {
		detail = c.set(op, words)
		s.parser.isUnknown = detail != "" && field.Filter == Enum
	}
	return node{comparison: c}, detail
}

// operator reads an operator and the dot after it. Without one it is eq.
func (s *scanner) operator(not *bool) (op, detail string) {
	op, rest, found := strings.Cut(s.rest, ".")
	negated := found && op == "not"
	if negated {
		*not = !*not
		op, rest, found = strings.Cut(rest, ".")
	}
	switch {
	case found && (isOperator(op) || strings.Contains(foreign, " "+op+" ")):
		s.rest = rest
		return op, ""
	case negated:
		return "", "needs an operator after not., as in not.in.(a,b); to compare with a text that begins with not., write eq.not.…"
	}
	return "eq", ""
}

// unknownField says which fields there are.
func (c *Collection) unknownField(name string) string {
	var names []string
	for _, f := range c.Fields {
		if f.MayFilter() {
			names = append(names, f.Name)
		}
	}
	if names == nil {
		return fmt.Sprintf("names a field, but the collection %s has none that clients may filter by", c.Name)
	}
	return fmt.Sprintf("names %s, by which clients cannot filter: the filter fields of %s are %s", show(name), c.Name, list(names))
}

// filterField returns the filter field of that name and its place among the filter fields.
func (c *Collection) filterField(name string) (*Field, int) {
	slot := 0
	for i := range c.Fields {
		f := &c.Fields[i]
		if f.Filter == "" {
			continue
		}
		if f.Name == name && !f.IsHidden {
			return f, slot
		}
		slot++
	}
	return nil, 0
}

// set gives the comparison its operator and values, with not. moved into the operator where it has an opposite.
func (c *comparison) set(op string, words []string) (detail string) {
	switch op {
	case "is":
		return c.setIs(words[0])
	case "gt", "gte", "lt", "lte":
		operators := map[string][2]operator{"gt": {gt, lte}, "gte": {gte, lt}, "lt": {lt, gte}, "lte": {lte, gt}}
		c.op = operators[op][0]
		if c.not {
			c.op, c.not = operators[op][1], false
		}
	case "neq":
		c.not = !c.not
	}
	c.values = make([]Value, len(words))
	for i, word := range words {
		if c.values[i], detail = c.field.parseParam(strings.Clone(word)); detail != "" {
			return detail
		}
	}
	slices.SortFunc(c.values, func(a, b Value) int { return a.compare(c.field.Filter, &b) })
	c.values = slices.Compact(c.values)
	return ""
}

func (c *comparison) setIs(word string) (detail string) {
	c.op = is
	if word == "null" {
		c.values = []Value{{state: null}}
		return ""
	}
	if c.field.Filter != Boolean {
		return fmt.Sprintf("has is.%s: write is.null or not.is.null", show(word))
	}
	v, ok := newBoolean(word)
	if !ok {
		return fmt.Sprintf("has is.%s: write is.null, is.true or is.false", show(word))
	}
	c.values = []Value{v}
	return ""
}

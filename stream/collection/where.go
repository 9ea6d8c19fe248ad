package collection

import (
	"net/url"
	"slices"
	"strings"
	"unsafe"
)

// Where is a condition on the rows of a collection, made of comparisons of its filter fields. It is immutable.
// The nil Where selects every row.
type Where struct {
	collection *Collection
	root       node // an and
	canonical  string
}

// node is a comparison, or combines nodes with "and" or "or". A negation stands at the comparisons only, and nothing
// but true selects a row, so that unknown and false are one.
type node struct {
	logic      logic
	comparison comparison
	nodes      []node
	text       string // canonical, in a group
}

type logic uint8

const (
	compares logic = iota
	and
	or
)

type operator uint8

const (
	in operator = iota // eq is an in with one value
	is
	gt
	gte
	lt
	lte
)

// comparison compares a field with values.
type comparison struct {
	field  *Field
	slot   int // of the field in a Row
	op     operator
	not    bool    // of in and is: the others have an opposite
	values []Value // of in any number, sorted and without repeats; else one
}

// Match reports whether the row is selected. It does not allocate.
func (w *Where) Match(r Row) bool {
	return w == nil || w.root.match(r.values)
}

func (n *node) match(row []Value) bool {
	switch n.logic {
	case and:
		for i := range n.nodes {
			if !n.nodes[i].match(row) {
				return false
			}
		}
		return true
	case or:
		for i := range n.nodes {
			if n.nodes[i].match(row) {
				return true
			}
		}
		return false
	}
	if n.comparison.slot >= len(row) { // the zero Row
		return true
	}
	return n.comparison.holds(&row[n.comparison.slot])
}

// holds reports whether the comparison is true for a value.
func (c *comparison) holds(v *Value) bool {
	switch {
	case v.state == anything:
		return true
	case v.state == unknown:
		return false
	case c.op == is:
		return c.values[0] == *v != c.not
	case c.op == in:
		// In SQL, even a null is not in an empty list.
		return (v.state == known || len(c.values) == 0) && c.contains(v) != c.not
	case v.state == null:
		return false
	}
	order := v.compare(c.field.Filter, &c.values[0])
	switch c.op {
	case gt:
		return order > 0
	case gte:
		return order >= 0
	case lt:
		return order < 0
	default:
		return order <= 0
	}
}

// contains reports whether v is one of the values.
func (c *comparison) contains(v *Value) bool {
	const short = 8
	if len(c.values) <= short {
		for i := range c.values {
			if c.values[i] == *v {
				return true
			}
		}
		return false
	}
	_, found := slices.BinarySearchFunc(c.values, v, func(a Value, b *Value) int { return a.compare(c.field.Filter, b) })
	return found
}

// Fields returns the names of the fields that the filter looks at, sorted.
func (w *Where) Fields() []string {
	if w == nil {
		return nil
	}
	var names []string
	w.root.visit(func(c *comparison) { names = append(names, c.field.Name) })
	slices.Sort(names)
	return slices.Compact(names)
}

func (n *node) visit(do func(*comparison)) {
	if n.logic == compares {
		do(&n.comparison)
	}
	for i := range n.nodes {
		n.nodes[i].visit(do)
	}
}

// Canonical returns the filter as a query string, empty if it selects every row. It is equal for two filters of a
// collection that say the same in another order or spelling. Parse reads it.
func (w *Where) Canonical() string {
	if w == nil {
		return ""
	}
	return w.canonical
}

// normalize sorts the nodes and removes repeats and needless groups, innermost first.
func (n *node) normalize() {
	if n.logic == compares {
		n.text = quoteWord(n.comparison.field.Name, "."+special) + "." + n.comparison.text(true)
		return
	}
	children := n.nodes
	n.nodes = nil
	for _, child := range children {
		child.normalize()
		n.add(child)
	}
	slices.SortFunc(n.nodes, func(a, b node) int { return strings.Compare(a.text, b.text) })
	n.nodes = slices.CompactFunc(n.nodes, func(a, b node) bool { return a.text == b.text })
	texts := make([]string, len(n.nodes))
	for i := range n.nodes {
		texts[i] = n.nodes[i].text
	}
	n.text = map[logic]string{and: "and", or: "or"}[n.logic] + "(" + strings.Join(texts, ",") + ")"
}

// add adds a normalized child, or its nodes if it needs no group of its own.
func (n *node) add(child node) {
	if child.logic == compares || child.logic != n.logic && len(child.nodes) > 1 {
		n.nodes = append(n.nodes, child)
		return
	}
	for _, grandchild := range child.nodes {
		n.add(grandchild)
	}
}

// query returns the canonical query string of a normalized root.
func (n *node) query() string {
	params := url.Values{}
	for i := range n.nodes {
		child := &n.nodes[i]
		if child.logic == compares {
			name := paramWhere + child.comparison.field.Name
			params[name] = append(params[name], child.comparison.text(false))
			continue
		}
		params[paramAny] = append(params[paramAny], strings.TrimPrefix(child.text, "or"))
	}
	return params.Encode()
}

// text returns operator and values as Parse reads them, in a group or as the value of a parameter.
func (c *comparison) text(grouped bool) string {
	var values []string
	for i := range c.values {
		values = append(values, c.format(&c.values[i]))
	}
	name := map[operator]string{in: "in", is: "is", gt: "gt", gte: "gte", lt: "lt", lte: "lte"}[c.op]
	not := map[bool]string{true: "not."}[c.not]
	switch {
	case c.op == in && len(values) == 1:
		name = map[bool]string{false: "eq", true: "neq"}[c.not]
		not = ""
	case c.op == in:
		for i, v := range values {
			values[i] = quoteWord(v, special)
		}
		return not + name + ".(" + strings.Join(values, ",") + ")"
	}
	if grouped {
		values[0] = quoteWord(values[0], special)
	}
	return not + name + "." + values[0]
}

func (c *comparison) format(v *Value) string {
	if c.op == is && v.state == null {
		return "null"
	}
	return c.field.Filter.behavior().format(v)
}

// Size returns the bytes of memory that the filter takes.
func (w *Where) Size() int64 {
	if w == nil {
		return 0
	}
	return w.root.size() + 2*int64(len(w.canonical))
}

func (n *node) size() int64 {
	size := int64(unsafe.Sizeof(*n)) + int64(len(n.text)) + int64(len(n.comparison.values))*int64(unsafe.Sizeof(Value{}))
	for i := range n.comparison.values {
		size += int64(len(n.comparison.values[i].text))
	}
	for i := range n.nodes {
		size += n.nodes[i].size()
	}
	return size
}

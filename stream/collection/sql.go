package collection

import (
	"strconv"
	"strings"
)

// Params collects the parameters of a statement, all of them texts. The SQL casts each to its type, so that it may
// also be a part of another value, such as ($1)[3].
type Params struct {
	Values []string
	// Name returns the SQL of parameter k, counted from 1. If it is nil, that is $k.
	Name func(k int) string
}

// Add adds a value and returns its SQL.
func (p *Params) Add(value string) string {
	p.Values = append(p.Values, value)
	if k := len(p.Values); p.Name != nil {
		return p.Name(k)
	}
	return "$" + strconv.Itoa(len(p.Values))
}

// SQL returns the condition over the columns of the table n. Columns are compared without casts, so that their
// indexes serve. It is true if and only if Match is.
func (w *Where) SQL(p *Params) string {
	if w == nil {
		return "true"
	}
	return w.root.sql(p)
}

func (n *node) sql(p *Params) string {
	if n.logic == compares {
		return n.comparison.sql(p)
	}
	texts := make([]string, len(n.nodes))
	for i := range n.nodes {
		if texts[i] = n.nodes[i].sql(p); n.nodes[i].logic != compares {
			texts[i] = "(" + texts[i] + ")"
		}
	}
	return strings.Join(texts, map[logic]string{and: " and ", or: " or "}[n.logic])
}

func (c *comparison) sql(p *Params) string {
	column := c.field.columnSQL()
	switch {
	case c.op == is:
		return column + map[bool]string{false: " is ", true: " is not "}[c.not] + c.format(&c.values[0])
	case c.op == in && len(c.values) != 1:
		return column + map[bool]string{false: " = any(", true: " <> all("}[c.not] + p.Add(c.array()) + "::" + c.field.paramType() + "[])"
	}
	op := map[operator]string{in: "=", gt: ">", gte: ">=", lt: "<", lte: "<="}[c.op]
	if c.not {
		op = "<>"
	}
	return column + " " + op + " " + p.Add(c.format(&c.values[0])) + "::" + c.field.paramType()
}

// array returns the values as the text of a PostgreSQL array.
func (c *comparison) array() string {
	texts := make([]string, len(c.values))
	for i := range c.values {
		texts[i] = `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(c.format(&c.values[i])) + `"`
	}
	return "{" + strings.Join(texts, ",") + "}"
}

// columnSQL returns the column. PostgreSQL has no operators for a domain over an enum. The cast to the enum takes
// nothing from an index: it does not change the value.
func (f *Field) columnSQL() string {
	column := "n." + quoteIdentifier(f.Column)
	if f.SQLType != "" {
		column += "::" + f.SQLType
	}
	return column
}

func quoteIdentifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// paramType returns the type of parameters that the column is compared with. Each is in one operator family with the
// column's, whatever domain that is of, so that an index on the column serves.
func (f *Field) paramType() string {
	if f.SQLType != "" {
		return f.SQLType
	}
	return "pg_catalog." + f.Filter.behavior().sqlType
}

package collection

import (
	"fmt"
	"slices"
	"strings"
)

const maxOrder = 4 // fields

// Term is a part of the order of a list. Lists add terms for the key, so that the order is total.
type Term struct {
	SQL      string // over the table n, such as n."total"
	Type     string // of a parameter with a value of it, such as pg_catalog.int8
	Desc     bool   // nulls come first then, and otherwise last: what an ordinary index gives
	Nullable bool
}

// Order is the order of a list. Texts follow the database's collation, enums their type.
type Order []Term

// ParseOrder reads an order such as created_at.desc,id. An empty text is the empty order. Its error is a *ParamError.
func ParseOrder(c *Collection, text string) (Order, error) {
	var order Order
	var names []string
	s := &scanner{rest: text}
	for text != "" {
		name, detail := s.word("." + special)
		field, _ := c.filterField(name)
		if detail == "" && field == nil {
			detail = c.unknownField(name)
		}
		if detail == "" && slices.Contains(names, name) {
			detail = fmt.Sprintf("names %s twice", show(name))
		}
		if detail == "" && len(order) == maxOrder {
			detail = fmt.Sprintf("names too many fields: at most %d", maxOrder)
		}
		if detail != "" {
			return nil, &ParamError{paramOrder, detail, field == nil}
		}
		names = append(names, name)
		desc := s.accept(".desc")
		if !desc {
			s.accept(".asc")
		}
		order = append(order, Term{SQL: field.columnSQL(), Type: field.paramType(), Desc: desc, Nullable: field.Nullable})
		if s.rest == "" {
			break
		}
		if !s.accept(",") {
			return nil, &ParamError{Param: paramOrder, Detail: fmt.Sprintf("has %s after a field: write .asc, .desc or a comma", show(s.rest))}
		}
	}
	return order, nil
}

// SQL returns the list after "order by".
func (o Order) SQL() string {
	texts := make([]string, len(o))
	for i, t := range o {
		texts[i] = t.SQL + map[bool]string{true: " desc"}[t.Desc]
	}
	return strings.Join(texts, ", ")
}

// After returns the condition for rows that come after the row with these values, in the text form of their types; nil
// is null. There is one value for each term, and the rows of two lists must differ in one of them.
func (o Order) After(values []*string, p *Params) string {
	if o.isRow() {
		return o.rowAfter(values, p)
	}
	params := make([]string, len(o))
	for i, v := range values {
		if v != nil {
			params[i] = p.Add(*v) + "::" + o[i].Type
		}
	}
	var alternatives []string
	for i := range o {
		later := o[i].after(params[i])
		if later == "" {
			continue
		}
		var all []string
		for j := range i {
			all = append(all, o[j].equals(params[j]))
		}
		alternatives = append(alternatives, strings.Join(append(all, later), " and "))
	}
	if alternatives == nil {
		return "false"
	}
	// The first term's bound is repeated, for an index cannot be searched with alternatives.
	condition := "(" + strings.Join(alternatives, " or ") + ")"
	if first := o[0].notBefore(params[0]); first != "" {
		return first + " and " + condition
	}
	return condition
}

// isRow reports whether a comparison of rows serves: all terms have one direction, and none may be null.
func (o Order) isRow() bool {
	for _, t := range o {
		if t.Desc != o[0].Desc || t.Nullable {
			return false
		}
	}
	return len(o) > 0
}

func (o Order) rowAfter(values []*string, p *Params) string {
	var columns, params []string
	for i, t := range o {
		if values[i] == nil { // the column was nullable when the page before was read
			return "false"
		}
		columns = append(columns, t.SQL)
		params = append(params, p.Add(*values[i])+"::"+t.Type)
	}
	return "(" + strings.Join(columns, ", ") + ")" + map[bool]string{false: " > ", true: " < "}[o[0].Desc] + "(" + strings.Join(params, ", ") + ")"
}

// after returns the condition for values after param, which is empty for null. Without one it returns "".
func (t Term) after(param string) string {
	switch {
	case param == "" && t.Desc:
		return t.SQL + " is not null"
	case param == "":
		return ""
	case t.Desc:
		return t.SQL + " < " + param
	case t.Nullable:
		return "(" + t.SQL + " > " + param + " or " + t.SQL + " is null)"
	}
	return t.SQL + " > " + param
}

func (t Term) equals(param string) string {
	if param == "" {
		return t.SQL + " is null"
	}
	return t.SQL + " = " + param
}

// notBefore returns a condition that an index can be searched with.
func (t Term) notBefore(param string) string {
	switch {
	case param == "" && !t.Desc:
		return t.SQL + " is null"
	case param == "" || t.Nullable && !t.Desc:
		return ""
	case t.Desc:
		return t.SQL + " <= " + param
	}
	return t.SQL + " >= " + param
}

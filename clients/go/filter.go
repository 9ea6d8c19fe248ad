package pgherald

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Where has the conditions of a filter for each field, of which all must hold. On streams of collections and in lists
// a condition is a comparison, as Eq, In and the others write it. On other streams it is a value, and one of a
// field's values is enough.
type Where map[string][]string

// Filter selects the events of a stream. The zero value selects all.
type Filter struct {
	Types      []string
	Keys       []string // of rows, in any table
	Collection string   // only what changes the rows of this collection; not with Types
	Where      Where
	Any        []string // groups of a collection's filter, as Any writes them; one condition of each must hold

	// Params has further parameters of the protocol, such as q.NAME, batch or conflate.
	Params url.Values

	Since string // the cursor after which the stream begins; empty: now
}

func (f Filter) params() url.Values {
	params := make(url.Values)
	for name, values := range f.Params {
		params[name] = values
	}
	if len(f.Types) > 0 {
		params.Set("types", strings.Join(f.Types, ","))
	}
	if len(f.Keys) > 0 {
		params["key"] = f.Keys
	}
	if f.Collection != "" {
		params.Set("collection", f.Collection)
	}
	f.Where.addTo(params)
	if len(f.Any) > 0 {
		params["any"] = f.Any
	}
	if f.Since != "" {
		params.Set("since", f.Since)
	}
	return params
}

func (w Where) addTo(params url.Values) {
	for field, conditions := range w {
		params["where."+field] = conditions
	}
}

// Eq returns the comparison of a field with a value.
func Eq(value any) string { return "eq." + text(value) }

// Neq returns the comparison that the value differs. It is never true for null.
func Neq(value any) string { return "neq." + text(value) }

// Gt returns the comparison that the field is greater.
func Gt(value any) string { return "gt." + text(value) }

// Gte returns the comparison that the field is greater or equal.
func Gte(value any) string { return "gte." + text(value) }

// Lt returns the comparison that the field is less.
func Lt(value any) string { return "lt." + text(value) }

// Lte returns the comparison that the field is less or equal.
func Lte(value any) string { return "lte." + text(value) }

// IsNull returns the comparison with null.
func IsNull() string { return "is.null" }

// In returns the comparison with each of the values.
func In[T any](values ...T) string {
	words := make([]string, len(values))
	for i, value := range values {
		words[i] = quote(text(value), `,()"\`)
	}
	return "in.(" + strings.Join(words, ",") + ")"
}

// Not returns the opposite of a comparison.
func Not(comparison string) string {
	if opposite, ok := strings.CutPrefix(comparison, "not."); ok {
		return opposite
	}
	return "not." + comparison
}

// Any returns a group of alternatives, each with conditions of which all must hold.
func Any(alternatives ...Where) string {
	items := make([]string, len(alternatives))
	for i, where := range alternatives {
		items[i] = where.item()
	}
	return "(" + strings.Join(items, ",") + ")"
}

// item writes the conditions as one item of a group.
func (w Where) item() string {
	var all []string
	for field, comparisons := range w {
		for _, comparison := range comparisons {
			all = append(all, quote(field, `.,()"\`)+"."+quoteOperand(comparison))
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return "and(" + strings.Join(all, ",") + ")"
}

// quoteOperand quotes the value of a comparison, which in a group ends at a comma. Lists are quoted already.
func quoteOperand(comparison string) string {
	operator, value, _ := strings.Cut(comparison, ".")
	switch operator {
	case "not":
		return "not." + quoteOperand(value)
	case "in", "is":
		return comparison
	default:
		return operator + "." + quote(value, `,()"\`)
	}
}

// quote writes a word of a list or a group. One that is empty or has a special character is in quotes.
func quote(word, special string) string {
	if word != "" && !strings.ContainsAny(word, special) {
		return word
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
}

// text writes a value in the grammar of filters.
func text(value any) string {
	if t, ok := value.(time.Time); ok {
		return t.UTC().Format("2006-01-02T15:04:05.999999Z")
	}
	return fmt.Sprint(value)
}

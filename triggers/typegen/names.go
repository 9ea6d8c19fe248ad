package typegen

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/triggers"
)

// names gives each text another name that is one in the generated language.
type names map[string]bool

// pick returns a name that was not returned before.
func (n names) pick(text string) string {
	name := pascal(text)
	for i := 2; n[name]; i++ {
		name = pascal(text) + "_" + strconv.Itoa(i)
	}
	n[name] = true
	return name
}

// pascal turns order_items, order-items and sales.orders into names such as OrderItems. It keeps the capitals in
// assignedTo. A name begins with a capital letter, so that Go exports it.
func pascal(text string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		first, size := utf8.DecodeRuneInString(word)
		switch word {
		case "id", "url", "uuid":
			b.WriteString(strings.ToUpper(word))
		default:
			b.WriteString(string(unicode.ToUpper(first)) + word[size:])
		}
	}
	name := b.String()
	if first, _ := utf8.DecodeRuneInString(name); !unicode.IsUpper(first) {
		return "X" + name
	}
	return name
}

// typeOf returns the type of the events of an operation.
func typeOf(s triggers.Source, op collection.Op) string {
	for eventType, o := range s.Types {
		if o == op {
			return eventType
		}
	}
	return ""
}

// operations are those of events, in the order in which files list them.
func operations() []collection.Op {
	return []collection.Op{collection.OpInsert, collection.OpUpdate, collection.OpDelete}
}

// filterNames returns the filter fields of a collection.
func filterNames(s triggers.Source) []string {
	var list []string
	for _, f := range s.Fields {
		if f.Filter != "" {
			list = append(list, f.Name)
		}
	}
	return list
}

// sorted returns the sources in order of name.
func sorted(sources []triggers.Source) []triggers.Source {
	return slices.SortedFunc(slices.Values(sources), func(a, b triggers.Source) int { return strings.Compare(a.Name, b.Name) })
}

package triggers

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
)

// maxLabel leaves room for a dot or a suffix such as _created in the 63 bytes of a type.
const maxLabel = 50

// labelTables returns what stands for {table} in the types of each table: its name, with its schema where another table
// of the spec has the same name. Tables of the schema public keep their names, so that a new table of another schema
// changes no type of theirs.
func labelTables(tables []Table) map[Name]string {
	count := map[string]int{}
	for _, t := range tables {
		count[shortLabel(t.Name)]++
	}
	labels := map[Name]string{}
	taken := map[string]int{}
	for _, t := range tables {
		label := shortLabel(t.Name)
		if count[label] > 1 && t.Name.Schema != "public" {
			label = longLabel(t.Name)
		}
		labels[t.Name] = label
		taken[label]++
	}
	for name, label := range labels {
		if taken[label] > 1 && label != name.Table { // such as "Order" and "order"
			labels[name] = hashed(label, name)
		}
	}
	return labels
}

func shortLabel(n Name) string { return typeWord(n.Table, n) }

func longLabel(n Name) string {
	label := typeWord(n.Schema, n) + "." + typeWord(n.Table, n)
	if len(label) > maxLabel {
		return hashed(label, n)
	}
	return label
}

// typeWord turns a name into a part of an event type: OrderItems becomes order_items.
func typeWord(text string, n Name) string {
	var b strings.Builder
	runes := []rune(text)
	for i, r := range runes {
		switch {
		case r >= 'A' && r <= 'Z':
			if i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]) && unicode.IsUpper(runes[i-1])) {
				b.WriteByte('_')
			}
			b.WriteRune(r + 'a' - 'A')
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		default:
			b.WriteByte('_')
		}
	}
	word := b.String()
	if word[0] < 'a' || word[0] > 'z' {
		word = "t" + word
	}
	if len(word) > maxLabel {
		return hashed(word, n)
	}
	return word
}

// hashed makes a label that no other table has.
func hashed(label string, n Name) string {
	sum := sha256.Sum256([]byte(n.Schema + "\x00" + n.Table))
	return cut(label, maxLabel-9) + "_" + hex.EncodeToString(sum[:4])
}

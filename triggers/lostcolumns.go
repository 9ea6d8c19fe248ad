package triggers

import (
	"slices"
	"strings"
)

// A function that uses a column which was dropped or renamed raises an error for each row. The first write shows that, but a
// table may be read for long before it is written, and its list fails as long as its function is not that of the table.

// hasLostColumns reports whether an installed function of the table differs from the wanted one, and uses a column that the
// table does not have.
func (r resolved) hasLostColumns(found installed) bool {
	return slices.ContainsFunc(r.objects().functions, func(want function) bool {
		have, ok := found.function(want.name)
		return ok && !have.same(want) && have.usesOther(r.rel.columns)
	})
}

// usesOther reports whether the function names a column of the row that is none of the given ones. It reads the text as a
// generated one, so it errs about expressions with unusual literals. That does no harm: the function differs in any case.
func (f function) usesOther(columns []string) bool {
	rest := withoutLiterals(f.body)
	for {
		before, after, ok := strings.Cut(rest, ".")
		if !ok {
			return false
		}
		rest = after
		name, next, err := parseIdent(after)
		isEscaped := strings.HasPrefix(next, "&") // U&"…"
		if err == nil && endsInRow(before) && !isEscaped && !slices.Contains(columns, name) && !isSystemColumn(name) {
			return true
		}
	}
}

// endsInRow reports whether a text ends with a name of the row.
func endsInRow(text string) bool {
	return slices.ContainsFunc([]string{"n", "o", "new", "old"}, func(row string) bool {
		rest, ok := strings.CutSuffix(text, row)
		return ok && (rest == "" || !isIdentByte(rest[len(rest)-1], false) && !strings.HasSuffix(rest, ".") && !strings.HasSuffix(rest, `"`))
	})
}

func isSystemColumn(name string) bool {
	return slices.Contains([]string{"tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"}, name)
}

// withoutLiterals returns the text without what is in single quotes, and without comments to the end of a line.
func withoutLiterals(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			kept.WriteString(line)
		}
	}
	parts := strings.Split(kept.String(), "'")
	kept.Reset()
	for i := 0; i < len(parts); i += 2 {
		kept.WriteString(parts[i] + " ")
	}
	return kept.String()
}

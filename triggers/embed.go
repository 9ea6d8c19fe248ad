package triggers

import "strings"

// embed sets an expression of the spec into our SQL: as it stands if it is a name, a call or a
// literal, and in brackets of its own otherwise. Both hold it in its place, since Parse made sure
// that its own brackets match and that it has no comma outside.
func embed(expr string) string {
	s, err := scanExpr(expr)
	if s.multiline {
		expr = hold(expr)
	}
	if err == nil && !s.comment && isPlain(s.outline) {
		return expr
	}
	if !s.comment && !strings.Contains(expr, "\n") {
		return "(" + expr + ")"
	}
	return "(\n" + indent(expr, 1) + "\n)"
}

// isPlain recognises a.b, f(...), 'text' and 1, each with casts, from the outline of an expression.
func isPlain(outline string) bool {
	first, casts, _ := strings.Cut(outline, "::")
	call, found := strings.CutSuffix(first, "()")
	if first != "'" && (!isDotted(call) || !found && isKeyword(strings.ToLower(call))) {
		return false
	}
	for cast := range strings.SplitSeq(casts, "::") {
		if casts != "" && !isDotted(strings.TrimSuffix(strings.TrimSuffix(cast, "[]"), "()")) {
			return false
		}
	}
	return !strings.HasSuffix(outline, "::")
}

// isDotted recognises names and numbers: letters, digits, underscores and dots.
func isDotted(text string) bool {
	for i := range len(text) {
		if text[i] != '.' && !isIdentByte(text[i], false) {
			return false
		}
	}
	return text != ""
}

// joinsSQL sets the joins of the spec, one a line.
func joinsSQL(joins []Join) string {
	var b strings.Builder
	for _, j := range joins {
		if j.Left {
			b.WriteString("left ")
		}
		b.WriteString("join " + embedJoin(j.SQL) + "\n")
	}
	return b.String()
}

func embedJoin(sql string) string {
	if s, err := scanExpr(sql); err == nil && s.multiline {
		return hold(sql)
	}
	return sql
}

// usesOld says whether an event may read o. It looks for the word, wherever it stands: a row too
// many costs little, and a row too few would not compile.
func usesOld(t Table, event Event) bool {
	texts := []string{event.When, event.Key, event.Audience}
	for _, f := range event.Payload {
		texts = append(texts, f.SQL)
	}
	for _, j := range t.Joins {
		texts = append(texts, j.SQL)
	}
	for _, text := range texts {
		if hasWordO(text) {
			return true
		}
	}
	return false
}

func hasWordO(text string) bool {
	for i := range len(text) {
		before := i == 0 || !isIdentByte(text[i-1], false)
		after := i+1 == len(text) || !isIdentByte(text[i+1], false)
		if text[i]|0x20 == 'o' && before && after {
			return true
		}
	}
	return false
}

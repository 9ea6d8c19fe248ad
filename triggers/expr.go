package triggers

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// An expression is SQL from the spec, embedded into generated SQL. The scanner reads just enough of it to
// ensure that it cannot end the SQL around it: brackets match, strings and comments end, and there is no
// semicolon and no comma outside brackets. PostgreSQL checks its meaning (validate.go).

// shape describes what the code that embeds an expression must know of it.
type shape struct {
	// outline is the expression with each string replaced by ' and each bracket with its contents by ().
	outline string
	// multiline reports a string or a quoted name with a line break, which indenting would change.
	multiline bool
	// comment reports a -- comment: the SQL that follows needs a new line.
	comment bool
}

// scanner reads an expression once, from left to right.
type scanner struct {
	text    string
	pos     int
	open    []byte // the closing brackets that are still missing
	outline strings.Builder
	shape   shape
}

// scanExpr returns the shape of an expression, or an error if the expression cannot be embedded.
func scanExpr(text string) (shape, error) {
	if strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
		return shape{}, errors.New("it is not valid text")
	}
	s := scanner{text: text}
	for s.pos < len(text) {
		if err := s.token(); err != nil {
			return shape{}, err
		}
	}
	if len(s.open) > 0 {
		return shape{}, fmt.Errorf("a %q is missing", s.open[len(s.open)-1])
	}
	s.shape.outline = strings.TrimSpace(s.outline.String())
	if s.shape.outline == "" {
		return shape{}, errors.New("it is empty")
	}
	return s.shape, nil
}

// token reads one token. A byte without special meaning is a token of its own.
func (s *scanner) token() error {
	rest := s.text[s.pos:]
	switch c := rest[0]; {
	case c == ';':
		return errors.New("it holds a semicolon")
	case c == ',' && len(s.open) == 0:
		return errors.New("it holds a comma outside brackets, and must be one value")
	case strings.HasPrefix(rest, "--"):
		return s.lineComment(rest)
	case strings.HasPrefix(rest, "/*"):
		return s.blockComment(rest)
	case c == '\'':
		return s.quoted(c, s.isEscapeString())
	case c == '"':
		return s.quoted(c, false)
	case c == '$' && !s.afterIdent():
		return s.dollar(rest)
	case c == '(' || c == '[':
		s.push(c)
	case c == ')' || c == ']':
		return s.pop(c)
	default:
		s.write(c)
	}
	s.pos++
	return nil
}

func (s *scanner) write(c byte) {
	if len(s.open) == 0 {
		s.outline.WriteByte(c)
	}
}

func (s *scanner) push(c byte) {
	s.write(c)
	s.open = append(s.open, map[byte]byte{'(': ')', '[': ']'}[c])
}

func (s *scanner) pop(c byte) error {
	if len(s.open) == 0 || s.open[len(s.open)-1] != c {
		return fmt.Errorf("a %q has no partner", c)
	}
	s.open = s.open[:len(s.open)-1]
	s.write(c)
	s.pos++
	return nil
}

// lineComment skips to the end of the line.
func (s *scanner) lineComment(rest string) error {
	s.shape.comment = true
	s.write(' ')
	if end := strings.IndexAny(rest, "\r\n"); end >= 0 {
		s.pos += end
	} else {
		s.pos = len(s.text)
	}
	return nil
}

// blockComment skips a comment and the comments nested in it.
func (s *scanner) blockComment(rest string) error {
	depth := 0
	for i := 0; i < len(rest); i++ {
		switch {
		case strings.HasPrefix(rest[i:], "/*"):
			depth++
			i++
		case strings.HasPrefix(rest[i:], "*/"):
			depth--
			i++
		}
		if depth == 0 {
			s.write(' ')
			s.pos += i + 1
			return nil
		}
	}
	return errors.New("a comment does not end")
}

// quoted skips a string or a quoted name. It reads a doubled quote as two strings in a row, which makes
// no difference here.
func (s *scanner) quoted(quote byte, escapes bool) error {
	for i := s.pos + 1; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '\\' && escapes:
			i++
		case c == '\n' || c == '\r':
			s.shape.multiline = true
		case c == quote:
			s.write(map[byte]byte{'\'': '\'', '"': 'q'}[quote])
			s.pos = i + 1
			return nil
		}
	}
	return fmt.Errorf("a %c does not end", quote)
}

// isEscapeString reports whether the quote at the current position opens an E'...' string.
func (s *scanner) isEscapeString() bool {
	if s.pos == 0 || s.text[s.pos-1]|0x20 != 'e' {
		return false
	}
	return s.pos == 1 || !isIdentByte(s.text[s.pos-2], false)
}

func (s *scanner) afterIdent() bool {
	return s.pos > 0 && isIdentByte(s.text[s.pos-1], false)
}

// dollar skips a $tag$ string. It refuses a parameter such as $1, which has no value in a trigger.
func (s *scanner) dollar(rest string) error {
	tag := dollarTag(rest)
	if tag == "" {
		return errors.New("it holds a $ that begins no string")
	}
	end := strings.Index(rest[len(tag):], tag)
	if end < 0 {
		return fmt.Errorf("a %s does not end", tag)
	}
	body := rest[len(tag) : len(tag)+end]
	s.shape.multiline = s.shape.multiline || strings.ContainsAny(body, "\r\n")
	s.write('\'')
	s.pos += len(tag) + end + len(tag)
	return nil
}

// dollarTag returns the $tag$ at the start of text, or an empty string.
func dollarTag(text string) string {
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '$':
			return text[:i+1]
		case !isIdentByte(c, i == 1):
			return ""
		}
	}
	return ""
}

// embed returns an expression for use inside generated SQL: unchanged if it is a name, a call or a
// literal, else in brackets. Both are safe, since Parse checked that its own brackets match and that it
// has no comma outside them.
func embed(expr string) string {
	s, err := scanExpr(expr)
	if s.multiline {
		expr = hideLineBreaks(expr)
	}
	if err == nil && !s.comment && isSelfContained(s.outline) {
		return expr
	}
	if !s.comment && !strings.Contains(expr, "\n") {
		return "(" + expr + ")"
	}
	return "(\n" + indent(expr, 1) + "\n)"
}

// isSelfContained recognizes a.b, f(...), 'text' and 1, each with casts, from the outline of an expression.
func isSelfContained(outline string) bool {
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

// isDotted recognizes names and numbers: letters, digits, underscores and dots.
func isDotted(text string) bool {
	for i := range len(text) {
		if text[i] != '.' && !isIdentByte(text[i], false) {
			return false
		}
	}
	return text != ""
}

// joinsSQL returns the joins of the spec, one on each line.
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
		return hideLineBreaks(sql)
	}
	return sql
}

// usesOld reports whether an event may read o. It searches for the word o anywhere, also in strings:
// joining an unused row costs little, and a missing one would be an SQL error.
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

// hasWordO reports whether the text has the word o, other than behind a dot, where it is a column: n.o, or n."o".
func hasWordO(text string) bool {
	for i := range len(text) {
		before := i == 0 || !isIdentByte(text[i-1], false) && !strings.HasSuffix(strings.TrimRight(text[:i], ` "`), ".")
		after := i+1 == len(text) || !isIdentByte(text[i+1], false)
		if text[i]|0x20 == 'o' && before && after {
			return true
		}
	}
	return false
}

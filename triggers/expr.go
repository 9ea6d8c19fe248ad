package triggers

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// An expression is SQL by hand that is set into SQL by us. This file reads just enough of it to be
// sure that it stays inside its place: brackets that match, strings and comments that end, no
// semicolon, no comma on the outside. Whether it means anything is for Postgres to say (validate.go).

// shape is what the scanner learned about an expression.
type shape struct {
	// outline is the expression with each string as ' and each bracket with its contents as ().
	outline string
	// multiline: a string or a quoted name spans lines, so that indenting would change it.
	multiline bool
	// comment: it holds a -- comment, so that what follows must stand on a line of its own.
	comment bool
}

// scanner walks over an expression once.
type scanner struct {
	text    string
	pos     int
	open    []byte // the closing brackets that are still to come
	outline strings.Builder
	shape   shape
}

// scanExpr reads an expression, or the error that keeps it from being one.
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

// token reads one token; whatever needs no care is a token of one byte.
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

// blockComment skips a comment, which may hold others.
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

// quoted skips a string or a quoted name. A quote written twice reads as two strings in a row,
// which is the same to us.
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

// isEscapeString says whether the quote here opens an E'...' string.
func (s *scanner) isEscapeString() bool {
	if s.pos == 0 || s.text[s.pos-1]|0x20 != 'e' {
		return false
	}
	return s.pos == 1 || !isIdentByte(s.text[s.pos-2], false)
}

func (s *scanner) afterIdent() bool {
	return s.pos > 0 && isIdentByte(s.text[s.pos-1], false)
}

// dollar skips a $tag$ string. A $1 is refused: there is nobody to give it a value.
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

// dollarTag gives the $tag$ at the start of text, or nothing.
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

package collection

import (
	"fmt"
	"strings"
)

// The grammar of groups and lists, in which a WORD with a comma, a parenthesis, a quote or a backslash is quoted:
//
//	group = "(" item *("," item) ")"
//	item  = ["not."] ("and" / "or") group / WORD "." comparison
//	list  = "(" [WORD *("," WORD)] ")"

const special = `,()"\`

// scanner reads a text from left to right.
type scanner struct {
	rest   string
	parser *parser
}

// group reads a group. If it is negated, "and" becomes "or", and its comparisons the opposite.
func (s *scanner) group(l logic, not bool, depth int) (node, string) {
	if depth > maxDepth {
		return node{}, fmt.Sprintf("has groups in groups: at most %d", maxDepth)
	}
	if not {
		l = and + or - l
	}
	n := node{logic: l}
	if !s.accept("(") {
		return n, s.expected("a group such as (status.eq.open,total.gt.100)")
	}
	for {
		item, detail := s.item(not, depth)
		if detail != "" {
			return n, detail
		}
		n.nodes = append(n.nodes, item)
		if s.accept(")") {
			return n, ""
		}
		if !s.accept(",") {
			return n, s.expected("a comma or a closing parenthesis")
		}
	}
}

// item reads a group or a comparison.
func (s *scanner) item(not bool, depth int) (node, string) {
	for prefix, l := range map[string]logic{"and(": and, "or(": or} {
		if strings.HasPrefix(s.rest, prefix) {
			s.rest = s.rest[len(prefix)-1:]
			return s.group(l, not, depth+1)
		}
		if strings.HasPrefix(s.rest, "not."+prefix) {
			s.rest = s.rest[len("not.")+len(prefix)-1:]
			return s.group(l, !not, depth+1)
		}
	}
	field, detail := s.word("." + special)
	if detail != "" {
		return node{}, detail
	}
	if !s.accept(".") {
		return node{}, s.expected("a field, an operator and a value, such as status.eq.open")
	}
	return s.comparison(field, not, false)
}

// list reads the values of in.
func (s *scanner) list() (words []string, detail string) {
	if !s.accept("(") {
		return nil, s.expected("a list such as in.(a,b)")
	}
	if s.accept(")") {
		return nil, ""
	}
	for {
		word, detail := s.word(special)
		if detail != "" {
			return nil, detail
		}
		if words = append(words, word); len(words) > maxValues {
			return nil, fmt.Sprintf("has too many values: a list has at most %d", maxValues)
		}
		if s.accept(")") {
			return words, ""
		}
		if !s.accept(",") {
			return nil, s.expected("a comma or a closing parenthesis")
		}
	}
}

// word reads a quoted word, or all before one of the characters in end.
func (s *scanner) word(end string) (word, detail string) {
	if !s.accept(`"`) {
		i := strings.IndexAny(s.rest, end)
		if i < 0 {
			i = len(s.rest)
		}
		word, s.rest = s.rest[:i], s.rest[i:]
		return word, ""
	}
	var b strings.Builder
	for {
		i := strings.IndexAny(s.rest, `"\`)
		if i < 0 || s.rest[i] == '\\' && i+1 == len(s.rest) {
			return "", "has a double quote without its end"
		}
		b.WriteString(s.rest[:i])
		if s.rest[i] == '"' {
			s.rest = s.rest[i+1:]
			return b.String(), ""
		}
		b.WriteByte(s.rest[i+1]) // a longer character goes on after its first byte, as no other does
		s.rest = s.rest[i+2:]
	}
}

func (s *scanner) accept(text string) bool {
	rest, found := strings.CutPrefix(s.rest, text)
	s.rest = rest
	return found
}

// expected says what should come next.
func (s *scanner) expected(what string) string {
	found := "its end"
	if s.rest != "" {
		found = show(s.rest)
	}
	return "must have " + what + " instead of " + found + `; values with a comma, a parenthesis, a quote or a backslash are in double quotes`
}

// quoteWord returns the text as word reads it.
func quoteWord(text, end string) string {
	if text != "" && !strings.ContainsAny(text, end) {
		return text
	}
	return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(text) + `"`
}

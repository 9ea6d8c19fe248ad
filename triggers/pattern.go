package triggers

import (
	"fmt"
	"regexp"
	"strings"
)

// A Pattern watches every table that it matches, in the same way. A table that the spec lists by name is not among
// them, and one that several patterns match belongs to the first.
type Pattern struct {
	Match   NamePattern
	Exclude []NamePattern
	// Table says how each of them is watched. In its event types, {table} stands for the name of the table.
	Table Table
}

// placeholder stands for the name of the table in the event types of a pattern.
const placeholder = "{table}"

// watches reports whether the pattern chooses a table.
func (p Pattern) watches(name Name) bool {
	if !p.Match.matches(name) {
		return false
	}
	for _, x := range p.Exclude {
		if x.matches(name) {
			return false
		}
	}
	return true
}

// A NamePattern matches tables: public.orders, public.* or *. It reads as in psql: * stands for any characters and ?
// for one, except in double quotes, and a part without quotes folds to lower case.
type NamePattern struct {
	Schema, Table Glob
	text          string
}

// String returns the pattern as it was written.
func (p NamePattern) String() string { return p.text }

// MarshalText makes the content of a spec, which its hash covers, hold the pattern as it was written.
func (p NamePattern) MarshalText() ([]byte, error) { return []byte(p.text), nil }

func (p NamePattern) matches(n Name) bool {
	return p.Schema.matches(n.Schema) && p.Table.matches(n.Table)
}

// name returns the table of a pattern without wildcards.
func (p NamePattern) name() (Name, bool) {
	return Name{p.Schema.plain, p.Table.plain}, p.Schema.pattern == nil && p.Table.pattern == nil
}

// parsePattern reads schema.table, where each part may have wildcards. A lone * means all tables of all schemas.
func parsePattern(text string) (NamePattern, error) {
	p := NamePattern{text: text}
	if text == "*" {
		text = "*.*"
	}
	var rest string
	var err error
	if p.Schema, rest, err = parseGlob(text); err != nil {
		return p, err
	}
	if rest == "" {
		return p, fmt.Errorf("name the schema too, as in public.%s", text)
	}
	if rest[0] == '.' {
		p.Table, rest, err = parseGlob(rest[1:])
	}
	if err != nil {
		return p, err
	}
	if rest != "" {
		return p, fmt.Errorf("read table name %q: %q is not a name; put a name with unusual characters in double quotes", text, rest)
	}
	return p, nil
}

// hasWildcard reports whether a name in a spec is a pattern: whether it has a * or ? outside double quotes.
func hasWildcard(text string) bool {
	quoted := false
	for _, r := range text {
		switch r {
		case '"':
			quoted = !quoted
		case '*', '?':
			if !quoted {
				return true
			}
		}
	}
	return false
}

// A Glob is a pattern for one name.
type Glob struct {
	pattern *regexp.Regexp
	// plain is the name that a pattern without wildcards matches.
	plain string
}

// parseGlob reads one name with wildcards at the start of text and returns what follows it.
func parseGlob(text string) (g Glob, rest string, err error) {
	if strings.HasPrefix(text, `"`) {
		name, rest, err := parseQuoted(text)
		return Glob{plain: name}, rest, err
	}
	end := 0
	for end < len(text) && (isIdentByte(text[end], false) || isWildcard(text[end])) {
		end++
	}
	if end == 0 {
		return g, "", fmt.Errorf("read name %q: expected schema.table", text)
	}
	g, err = newGlob(strings.Map(foldASCII, text[:end]))
	return g, text[end:], err
}

// newGlob returns the glob of a text in which * and ? are wildcards.
func newGlob(text string) (Glob, error) {
	if err := checkIdent(text); err != nil {
		return Glob{}, err
	}
	if !strings.ContainsAny(text, "*?") {
		return Glob{plain: text}, nil
	}
	pattern := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(text))
	compiled, err := regexp.Compile("^(?s:" + pattern + ")$")
	return Glob{pattern: compiled}, err
}

func isWildcard(c byte) bool { return c == '*' || c == '?' }

func (g Glob) matches(name string) bool {
	if g.pattern == nil {
		return name == g.plain
	}
	return g.pattern.MatchString(name)
}

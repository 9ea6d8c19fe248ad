package triggers

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Name names a relation: a schema and a table, as the catalog spells them (without quotes).
type Name struct {
	Schema, Table string
}

// String gives the name as SQL spells it, quoted where it has to be.
func (n Name) String() string {
	return quoteIdent(n.Schema) + "." + quoteIdent(n.Table)
}

// parseName reads `schema.table` as SQL would: a part without quotes folds to lower case.
func parseName(text string) (Name, error) {
	first, rest, err := parseIdent(text)
	if err != nil {
		return Name{}, err
	}
	if rest == "" {
		return Name{}, fmt.Errorf("name the schema too, as in public.%s", text)
	}
	if rest[0] != '.' {
		return Name{}, fmt.Errorf("read table name %q: %q is not a name; put a name with unusual characters in double quotes", text, rest)
	}
	second, rest, err := parseIdent(rest[1:])
	if err != nil {
		return Name{}, err
	}
	if rest != "" {
		return Name{}, fmt.Errorf("read table name %q: expected schema.table and nothing after it", text)
	}
	return Name{Schema: first, Table: second}, nil
}

// parseColumn reads a column of a key. It is a name, not SQL, so its case counts; double quotes
// around it are taken off for those who think of it as SQL.
func parseColumn(text string) (string, error) {
	if !strings.HasPrefix(text, `"`) {
		return text, checkIdent(text)
	}
	name, rest, err := parseQuoted(text)
	if err == nil && rest != "" {
		err = fmt.Errorf("read column name %s: expected nothing after the closing quote", text)
	}
	return name, err
}

// parseIdent reads one identifier at the start of text and returns what follows it.
func parseIdent(text string) (name, rest string, err error) {
	if strings.HasPrefix(text, `"`) {
		return parseQuoted(text)
	}
	end := 0
	for end < len(text) && isIdentByte(text[end], end == 0) {
		end++
	}
	if end == 0 {
		return "", "", fmt.Errorf("read name %q: expected schema.table", text)
	}
	return strings.Map(foldASCII, text[:end]), text[end:], checkIdent(text[:end])
}

// parseQuoted reads a double-quoted identifier, in which a quote is written twice.
func parseQuoted(text string) (name, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] != '"':
			b.WriteByte(text[i])
		case strings.HasPrefix(text[i:], `""`):
			b.WriteByte('"')
			i++
		default:
			return b.String(), text[i+1:], checkIdent(b.String())
		}
	}
	return "", "", fmt.Errorf("read name %s: the closing quote is missing", text)
}

// checkIdent refuses what cannot be the name of anything in Postgres.
func checkIdent(name string) error {
	switch {
	case name == "":
		return errors.New("read name: it is empty")
	case strings.ContainsRune(name, 0) || !utf8.ValidString(name):
		return fmt.Errorf("read name %q: it is not valid text", name)
	case len(name) > maxIdent:
		return fmt.Errorf("read name %q: it has %d bytes, and Postgres allows %d", name, len(name), maxIdent)
	}
	return nil
}

// foldASCII is how Postgres folds an unquoted identifier in a UTF-8 database.
func foldASCII(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

func isIdentByte(c byte, first bool) bool {
	letter := c == '_' || c >= 0x80 || 'a' <= c|0x20 && c|0x20 <= 'z'
	return letter || !first && (c == '$' || '0' <= c && c <= '9')
}

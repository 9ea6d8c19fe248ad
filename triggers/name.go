package triggers

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Name identifies a table by schema and name, as the catalog spells them: without quotes.
type Name struct {
	Schema, Table string
}

// String returns the name as SQL, quoted where necessary.
func (n Name) String() string {
	return quoteIdent(n.Schema) + "." + quoteIdent(n.Table)
}

// regclass returns the table as a constant of type regclass. Its input knows no U&"" names.
func (n Name) regclass() string {
	parts := []string{n.Schema, n.Table}
	for i, part := range parts {
		parts[i] = quoteName(part)
	}
	return quoteLiteral(strings.Join(parts, ".")) + "::pg_catalog.regclass"
}

// parseName reads `schema.table` as PostgreSQL would: a part without quotes folds to lower case.
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

// parseColumn reads a column of a key. Its case counts, since it is a name and not SQL. Double quotes
// around it are accepted too, and removed.
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

// checkIdent returns an error for a text that PostgreSQL does not accept as a name.
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

// foldASCII folds a letter as PostgreSQL does in an unquoted identifier of a UTF-8 database.
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

// maxIdent is the length limit of an identifier in bytes.
const maxIdent = 63

// quoteIdent returns a name of the catalog as SQL. It quotes only where necessary, so that the generated
// SQL reads like SQL written by hand.
func quoteIdent(name string) string {
	quoted := quoteName(name)
	if strings.ContainsAny(name, "\r\n") { // keep it on one line: indenting would change it
		return "U&" + strings.NewReplacer(`\`, `\\`, "\n", `\000A`, "\r", `\000D`).Replace(quoted)
	}
	return quoted
}

// quoteName returns a name as quoteIdent does, with its line breaks.
func quoteName(name string) string {
	if isPlainIdent(name) && !isKeyword(name) {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// column returns a column of a row, which may be a variable of plpgsql: that knows no U&"" names behind a variable, from
// version 13 on. Inside generated SQL its line breaks need hideLineBreaks.
func column(row, name string) string { return row + "." + quoteName(name) }

// isPlainIdent reports whether PostgreSQL reads the unquoted name back unchanged.
func isPlainIdent(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || 'a' <= c && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// quoteLiteral returns text as an SQL literal on one line. It means the same under every setting of
// standard_conforming_strings.
func quoteLiteral(text string) string {
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	if strings.ContainsAny(text, "\\\r\n") {
		return "E" + strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(quoted)
	}
	return quoted
}

// functionName returns the name of the trigger function for a table and an operation, such as
// public.orders.update. A hash makes the name unique where it would be ambiguous or too long.
func functionName(table Name, op string) string {
	plain := table.Schema + "." + table.Table
	full := plain + "." + op
	ambiguous := strings.Contains(table.Schema, ".") || strings.Contains(table.Table, ".")
	if !ambiguous && len(full) <= maxIdent {
		return full
	}
	sum := sha256.Sum256([]byte(table.Schema + "\x00" + table.Table))
	suffix := "." + op + "." + hex.EncodeToString(sum[:4])
	return cut(plain, maxIdent-len(suffix)) + suffix
}

// cut shortens text to at most size bytes without splitting a character.
func cut(text string, size int) string {
	if len(text) <= size {
		return text
	}
	for size > 0 && !utf8.RuneStart(text[size]) {
		size--
	}
	return text[:size]
}

// isKeyword reports whether a word needs quotes as a name. It knows the reserved words of SQL
// (pg_get_keywords of PostgreSQL 13 to 18) and of plpgsql.
func isKeyword(word string) bool {
	switch word {
	case "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization",
		"begin", "between", "bigint", "binary", "bit", "boolean", "both", "by", "case", "cast", "char",
		"character", "check", "coalesce", "collate", "collation", "column", "concurrently", "constraint",
		"create", "cross", "current_catalog", "current_date", "current_role", "current_schema",
		"current_time", "current_timestamp", "current_user", "dec", "decimal", "declare", "default",
		"deferrable", "desc", "distinct", "do", "else", "end", "except", "execute", "exists", "extract",
		"false", "fetch", "float", "for", "foreach", "foreign", "freeze", "from", "full", "grant",
		"greatest", "group", "grouping", "having", "if", "ilike", "in", "initially", "inner", "inout",
		"int", "integer", "intersect", "interval", "into", "is", "isnull", "join", "json", "json_array",
		"json_arrayagg", "json_exists", "json_object", "json_objectagg", "json_query", "json_scalar",
		"json_serialize", "json_table", "json_value", "lateral", "leading", "least", "left", "like",
		"limit", "localtime", "localtimestamp", "loop", "merge_action", "national", "natural", "nchar",
		"new", "none", "normalize", "not", "notnull", "null", "nullif", "numeric", "offset", "old", "on",
		"only", "or", "order", "out", "outer", "overlaps", "overlay", "placing", "position", "precision",
		"primary", "real", "references", "returning", "right", "row", "select", "session_user", "setof",
		"similar", "smallint", "some", "strict", "substring", "symmetric", "system_user", "table",
		"tablesample", "then", "time", "timestamp", "to", "trailing", "treat", "trim", "true", "union",
		"unique", "user", "using", "values", "varchar", "variadic", "verbose", "when", "where", "while",
		"window", "with", "xmlattributes", "xmlconcat", "xmlelement", "xmlexists", "xmlforest",
		"xmlnamespaces", "xmlparse", "xmlpi", "xmlroot", "xmlserialize", "xmltable":
		return true
	}
	return false
}

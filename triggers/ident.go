package triggers

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// maxIdent is the number of bytes of the longest identifier.
const maxIdent = 63

// quoteIdent spells a name of the catalog as SQL, in quotes only where they are needed, so that
// the generated SQL reads like SQL written by hand.
func quoteIdent(name string) string {
	if isPlainIdent(name) && !isKeyword(name) {
		return name
	}
	quoted := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	if strings.ContainsAny(name, "\r\n") { // keep it on one line, as indenting would change it
		return "U&" + strings.NewReplacer(`\`, `\\`, "\n", `\000A`, "\r", `\000D`).Replace(quoted)
	}
	return quoted
}

// isPlainIdent says whether an unquoted name would be read back as it stands.
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

// quoteLiteral spells text as an SQL literal, on one line, that means the same under every setting
// of standard_conforming_strings.
func quoteLiteral(text string) string {
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	if strings.ContainsAny(text, "\\\r\n") {
		return "E" + strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(quoted)
	}
	return quoted
}

// functionName is the name of the trigger function of a table and an operation, such as
// public.orders.update. Where that would be ambiguous or too long, a hash makes it unique.
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

// isKeyword says whether a word needs quotes as a name: the reserved words of SQL (of PostgreSQL
// 13 to 18, from pg_get_keywords) and those of plpgsql.
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

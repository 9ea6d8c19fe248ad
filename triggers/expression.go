package triggers

import (
	"regexp"
	"strings"
)

// expressionNeeds returns what an expression depends on, as far as its text and the tables that it names
// show.
func expressionNeeds(sql string, rel relation) needs {
	text := strings.ToLower(sql)
	found := needSQL | rel.mentioned
	if computesNothing(text) {
		found &^= needIntervalStyle | needFloatDigits | needBytea
		found |= rel.mentioned
	}
	for _, s := range rel.spelling {
		found |= s.text | s.json
	}
	for _, w := range telltales {
		if w.pattern.MatchString(text) {
			found |= w.needs
		}
	}
	return found | formatNeeds(text)
}

var (
	formatCall     = regexp.MustCompile(`\bto_(char|number|date|timestamp)\b`)
	literalPattern = regexp.MustCompile(`'[^']*'`)
)

// formatNeeds returns what to_char and the like depend on. A format of numbers has a 9 or a 0, and names of
// days or months in the writer's language have the prefix TM. A format that is no literal may have both.
func formatNeeds(text string) needs {
	calls := len(formatCall.FindAllString(text, -1))
	if calls == 0 {
		return 0
	}
	literals := literalPattern.FindAllString(text, -1)
	if len(literals) < calls {
		return needNumeric | needMonetary | needTime
	}
	var found needs
	for _, l := range literals {
		if strings.ContainsAny(l, "90") {
			found |= needNumeric | needMonetary
		}
		if strings.Contains(l, "tm") {
			found |= needTime
		}
	}
	return found
}

var (
	operatorPattern = regexp.MustCompile(`[-+*/%^|&#~@!?]|::|\bcast\b|\binterval\b`)
	callPattern     = regexp.MustCompile(`([\p{L}\p{N}_$."]+)\s*\(`)
)

// computesNothing reports whether an expression has no value that is neither in a column nor a literal, except by
// operators that compare and functions whose results are known. Then an interval, a float or a bytea can come
// only from a column.
func computesNothing(text string) bool {
	text = literalPattern.ReplaceAllString(text, " ")
	if operatorPattern.MatchString(text) {
		return false
	}
	for _, call := range callPattern.FindAllStringSubmatch(text, -1) {
		switch call[1] {
		case "and", "or", "not", "in", "on", "when", "then", "else", "select", "from", "where", "exists", "lateral", "by",
			"now", "to_char", "json_build_object", "json_build_array", "jsonb_build_object", "coalesce", "lower", "upper":
		default:
			return false
		}
	}
	return true
}

// telltale says that a text that matches the pattern depends on settings.
type telltale struct {
	pattern *regexp.Regexp
	needs   needs
}

// telltales are compiled once: a spec has hundreds of expressions, and is planned within a transaction.
var telltales = []telltale{
	{regexp.MustCompile(`\\`), needStrings},
	{regexp.MustCompile(`money`), needMonetary},
	{regexp.MustCompile(`\breg[a-z]|format|quote_ident|pg_get`), needIdentifiers},
	{regexp.MustCompile(`xml`), needXML | needXMLOption},
	{regexp.MustCompile(`\{[^}]*null`), needArrayNulls},
	// A text becomes an array, a time or a query.
	{regexp.MustCompile(`(::|\bas\b)[^,()\[\]]*(\[|\barray\b)`), needArrayNulls},
	{regexp.MustCompile(`(::|\bas\b)\s*"?(pg_catalog"?\.\s*"?)?time|to_timestamp`), needAbbreviations},
	{regexp.MustCompile(`to_ts|tsvector|tsquery|\bts_`), needTextSearch},
	{regexp.MustCompile(`=\s*null|null\s*=`), needNullEquals},
	{regexp.MustCompile(`operator\s*\(`), needAll},
	// A subquery, or a function outside pg_catalog.
	{regexp.MustCompile(`\bselect\b|\btable\b|\.\s*("[^"]*"|[\w$]+)\s*\(`), needRowSecurity},
}

package collection_test

import (
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream/collection"
)

// samples returns values of a kind, some of them equal, some awkward.
func samples(kind collection.Kind) []string {
	switch kind {
	case collection.Integer:
		return []string{"0", "-1", "1", "7", "10", "32767", "-32768"}
	case collection.Text:
		return []string{"", "a", "A", "b", "ä", "a\u0308", "a,b", `"`, `\`, `a"b\c'd`, "%", "a%", "_", "null", "NULL", "(a)", "\n\t\x01\x7f", "😀", " a", "a ",
			"eq.a", "not.a", "{a}", "\u2028</script>", "$1"}
	case collection.Boolean:
		return []string{"true", "false"}
	case collection.Numeric:
		return []string{"0", "-0", "0.0", "1", "1.0", "1.50", "-1.5", "9.99", "10", "100", "-100", "9007199254740993", "9007199254740992", "NaN",
			"0.00000000000000000001"}
	case collection.UUID:
		return []string{"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "7fffffff-ffff-ffff-ffff-ffffffffffff",
			"80000000-0000-0000-0000-000000000000", "00000000-0000-0000-8000-000000000000", "0f0e1a56-9d07-4d4e-8a6c-0d2b3a4c5e6f"}
	case collection.Date:
		return []string{"2026-01-31", "2026-02-01", "2000-02-29", "1999-12-31", "0001-01-01", "0001-12-31 BC", "0044-03-15 BC", "0005-02-28 BC", "4714-11-24 BC",
			"9999-12-31", "10000-01-01", "5874897-12-31", "infinity", "-infinity"}
	}
	// Timestamps without their zone.
	return []string{"2026-01-31T12:30:00", "2026-01-31T12:30:00.000001", "2026-01-31T12:30:00.1", "1999-12-31T23:59:59.999999", "2000-01-01T00:00:00",
		"0001-01-01T00:00:00", "0001-12-31T23:59:59.5 BC", "0044-03-15T00:00:01 BC", "4714-11-25T00:00:00 BC", "10000-01-01T00:00:00", "294276-12-30T23:59:59.999999",
		"infinity", "-infinity"}
}

// value returns a random value of the field, for a row or a filter.
func (o *oracle) value(f collection.Field, ofRow bool) string {
	if f.Filter == collection.Enum {
		return f.Labels[o.rng.IntN(len(f.Labels))]
	}
	all := samples(f.Filter)
	v := all[o.rng.IntN(len(all))]
	switch f.Filter {
	case collection.Text:
		return o.text(f, v, ofRow)
	case collection.Integer:
		return o.integer(f, v, ofRow)
	case collection.Numeric:
		return o.numeric(f, v, ofRow)
	case collection.UUID:
		if o.rng.IntN(4) == 0 {
			return strings.ToUpper(v)
		}
	case collection.Timestamptz:
		return o.withOffset(v)
	case collection.Timestamp:
		if o.rng.IntN(4) == 0 {
			return strings.Replace(v, "T", " ", 1)
		}
	}
	return v
}

func (o *oracle) text(f collection.Field, v string, ofRow bool) string {
	isShort := f.Name == "nm" || strings.HasPrefix(f.Name, "shor")
	switch {
	case isShort && len(v) > 30, f.Name == "nm" && v == "\u2028</script>":
		return ""
	case isShort || o.rng.IntN(5) > 0:
		return v
	}
	long := strings.Repeat([]string{"x", "ä", "\\"}[o.rng.IntN(3)], 2000)
	lengths := []int{998, 1000}
	if ofRow {
		lengths = []int{998, 1000, 1001, 1002, 1100}
	}
	return strings.ToValidUTF8(long[:lengths[o.rng.IntN(len(lengths))]], "")
}

func (o *oracle) integer(f collection.Field, v string, ofRow bool) string {
	if o.rng.IntN(4) > 0 || ofRow && f.Name == "i2" {
		return v
	}
	extremes := []string{"2147483647", "-2147483648"}
	if !ofRow || f.Name != "i4" {
		extremes = append(extremes, "9223372036854775807", "-9223372036854775808", "9007199254740993")
	}
	return extremes[o.rng.IntN(len(extremes))]
}

func (o *oracle) numeric(f collection.Field, v string, ofRow bool) string {
	if f.Name == "money" && ofRow {
		return v
	}
	if o.rng.IntN(12) == 0 && o.hasInfinity {
		return []string{"Infinity", "-Infinity"}[o.rng.IntN(2)]
	}
	if o.rng.IntN(4) == 0 {
		sign := []string{"", "-"}[o.rng.IntN(2)]
		extremes := []string{strings.Repeat("9", 400), "0." + strings.Repeat("0", 399) + "1", strings.Repeat("1", 400) + "." + strings.Repeat("1", 400)}
		if ofRow {
			extremes = append(extremes, strings.Repeat("9", 2000)+".5", "0."+strings.Repeat("0", 2000)+"1", strings.Repeat("1", 400)+"."+strings.Repeat("1", 401),
				strings.Repeat("1", 400)+"."+strings.Repeat("1", 400)+strings.Repeat("0", 600)+"1")
		}
		return sign + extremes[o.rng.IntN(len(extremes))]
	}
	if v == "NaN" || ofRow {
		return v
	}
	return []string{v, v + "e0", v + "E-2", v + "e+2", "0" + strings.TrimPrefix(v, "-")}[o.rng.IntN(5)]
}

func (o *oracle) withOffset(v string) string {
	if strings.HasSuffix(v, "infinity") {
		return v
	}
	v, isBC := strings.CutSuffix(v, " BC")
	v += []string{"Z", "+00:00", "-00:30", "+02", "+14:00", "-12:00", "+15:59"}[o.rng.IntN(7)]
	if isBC {
		v += " BC"
	}
	return v
}

// filter returns a random filter, and what it means in SQL, written without the code under test.
func (o *oracle) filter() (params url.Values, sql string) {
	params = url.Values{}
	var all []string
	for range o.rng.IntN(3) {
		f := o.field()
		text, meaning := o.comparison(f, func(s string) string { return s })
		params.Add("where."+f.Name, text)
		all = append(all, meaning)
	}
	for range o.rng.IntN(3) {
		text, meaning := o.group(1, " or ")
		params.Add("any", text)
		all = append(all, meaning)
	}
	return params, strings.Join(append(all, "true"), " and ")
}

func (o *oracle) field() collection.Field {
	for {
		if f := o.collection.Fields[o.rng.IntN(len(o.collection.Fields))]; f.Filter != "" {
			return f
		}
	}
}

func (o *oracle) group(depth int, logic string) (text, sql string) {
	var items, meanings []string
	for range 1 + o.rng.IntN(3) {
		var item, meaning string
		if depth < 3 && o.rng.IntN(3) == 0 {
			not, name := o.not(), []string{"and", "or"}[o.rng.IntN(2)]
			item, meaning = o.group(depth+1, " "+name+" ")
			item, meaning = not+name+item, strings.Replace(not, ".", " ", 1)+meaning
		} else {
			f := o.field()
			item, meaning = o.comparison(f, quoted)
			item = quoted(f.Name) + "." + item
		}
		items, meanings = append(items, item), append(meanings, meaning)
	}
	return "(" + strings.Join(items, ",") + ")", "(" + strings.Join(meanings, logic) + ")"
}

func (o *oracle) not() string { return []string{"", "", "not."}[o.rng.IntN(3)] }

// comparison returns a random operator and value.
func (o *oracle) comparison(f collection.Field, quote func(string) string) (text, sql string) {
	operators := f.Filter.Operators()
	op, not := operators[o.rng.IntN(len(operators))], o.not()
	column, sqlType := "n."+pgx.Identifier{f.Column}.Sanitize(), string(f.Filter)
	if f.Filter == collection.Enum {
		sqlType = f.SQLType
		column += "::" + sqlType
	}
	if f.Filter == collection.Integer {
		sqlType = "bigint"
	}
	literal := func(v string) string { return "'" + strings.ReplaceAll(v, "'", "''") + "'::" + sqlType }
	no := strings.Replace(not, ".", " ", 1)
	switch op {
	case "is":
		words := []string{"null"}
		if f.Filter == collection.Boolean {
			words = []string{"null", "true", "false"}
		}
		word := words[o.rng.IntN(len(words))]
		return not + "is." + word, no + "(" + column + " is " + word + ")"
	case "in":
		var words, literals []string
		for range o.rng.IntN(14) {
			v := o.value(f, false)
			words, literals = append(words, quoted(v)), append(literals, literal(v))
		}
		return not + "in.(" + strings.Join(words, ",") + ")", no + "(" + column + " = any(array[" + strings.Join(literals, ", ") + "]::" + sqlType + "[]))"
	}
	v := o.value(f, false)
	sql = no + "(" + column + map[string]string{"eq": " = ", "neq": " <> ", "gt": " > ", "gte": " >= ", "lt": " < ", "lte": " <= "}[op] + literal(v) + ")"
	if not == "" && op == "eq" && !collection.HasOperator(v) && o.rng.IntN(2) == 0 {
		return quote(v), sql
	}
	return not + op + "." + quote(v), sql
}

func quoted(word string) string {
	return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(word) + `"`
}

package dml

import "strings"

// pool holds values of a type: common ones, of which rows share many, and its limits.
type pool struct {
	common, limits []string
}

// values returns the values of the types by their names.
func values() map[string]pool {
	words := []string{"open", "paid", "closed", "New York", "Zürich", "it's", `say "hi"`, "a,b", "(x)", "東京", "null", "true", "17"}
	strange := []string{"", " ", "\n", "tab\there", `back\slash`, "🐘", "e\u0301", "eq.open", "in.(a,b)", "*", "%", strings.Repeat("long ", 300), "\u2028", "\x7f", "{\"a\": 1}"}
	times := []string{"2026-01-02 03:04:05", "2026-01-02 03:04:05.678", "2025-12-31 23:59:59.999999", "2024-02-29 00:00:00", "1999-01-01 12:00:00", "2026-07-01 01:02:03.000001"}
	timeLimits := []string{"infinity", "-infinity", "0044-03-15 12:00:00 BC", "294276-12-31 23:59:59", "4713-01-01 00:00:00 BC", "1970-01-01 00:00:00", "0001-01-01 00:00:00"}
	whole := []string{"0", "1", "2", "3", "4", "5", "7", "10", "100", "-1"}
	return map[string]pool{
		"text":              {words, strange},
		"character varying": {words, strange},
		"citext":            {words, strange},
		"name":              {words, []string{"", "Ünïcode", strings.Repeat("n", 63)}},
		"character":         {words, []string{"", " x", "ß"}},
		`"char"`:            {[]string{"a", "b"}, []string{""}},
		"boolean":           {[]string{"t", "f"}, nil},
		"smallint":          {whole, []string{"32767", "-32768"}},
		"integer":           {whole, []string{"2147483647", "-2147483648"}},
		"bigint":            {whole, []string{"9223372036854775807", "-9223372036854775808", "9007199254740993", "9007199254740992"}},
		"numeric": {[]string{"0", "1", "1.5", "1.50", "2", "10.25", "99.99", "-3", "100"},
			[]string{"NaN", "0.000000000000000000001", "-0.5", "123456789012345678901234567890.123456789", "1e-10", "0.0", "12345678.125"}},
		"double precision":            {[]string{"0", "1.5", "2.25", "-3"}, []string{"NaN", "Infinity", "-Infinity", "0.1", "1e300", "-0"}},
		"real":                        {[]string{"0", "1.5", "2.25", "-3"}, []string{"NaN", "Infinity", "0.1", "1e30"}},
		"money":                       {[]string{"1.50", "0", "-2"}, nil},
		"uuid":                        {[]string{"00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-00000000000a", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"}, []string{"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"}},
		"date":                        {[]string{"2026-01-01", "2026-01-02", "2025-12-31", "2024-02-29"}, []string{"infinity", "-infinity", "0044-03-15 BC", "5874897-12-31", "4713-01-01 BC", "0001-01-01"}},
		"timestamp without time zone": {times, timeLimits},
		"timestamp with time zone":    {append(times, "2026-01-02 03:04:05+05:45"), timeLimits},
		"time without time zone":      {[]string{"00:00", "12:34:56.789"}, []string{"24:00:00"}},
		"time with time zone":         {[]string{"00:00+00", "12:34:56.789-08"}, nil},
		"interval":                    {[]string{"1 day", "2 hours", "1 mon -3 days"}, []string{"-178000000 years", "00:00:00.000001"}},
		"bytea":                       {[]string{`\x00ff`, `\x`, `\xdeadbeef`}, []string{`\x` + strings.Repeat("00", 3000)}},
		"json":                        {[]string{`{"a": 1}`, `[1, 2]`, `null`, `"text"`}, []string{"{\n  \"b\" : [1,\r\n 2 ],\n\"b\": null}", " 1 ", `{"u":"\u2028\ud83d\ude00"}`, `1e400`}},
		"jsonb":                       {[]string{`{"a": 1}`, `[1, 2]`, `null`, `"text"`}, []string{`{"b": [1, {"c": "\n"}], "b": null}`, `1e400`}},
		"inet":                        {[]string{"10.0.0.1", "10.0.0.0/8", "::1"}, nil},
		"cidr":                        {[]string{"10.0.0.0/8", "::/0"}, nil},
		"macaddr":                     {[]string{"08:00:2b:01:02:03"}, nil},
		"point":                       {[]string{"(1,2)", "(0,0)"}, []string{"(NaN,Infinity)"}},
		"bit":                         {[]string{"10101", "00000"}, nil},
		"bit varying":                 {[]string{"1", "0101", ""}, nil},
		"int4range":                   {[]string{"[1,5)", "empty", "(,3]"}, []string{"(,)"}},
		"numrange":                    {[]string{"[1.5,2.5]", "empty"}, nil},
		"daterange":                   {[]string{"[2026-01-01,2026-02-01)", "empty"}, []string{"[,infinity]"}},
		"tstzrange":                   {[]string{"[2026-01-01 00:00:00+00,2026-02-01 00:00:00+00)", "empty"}, nil},
		"tsvector":                    {[]string{"'cat':1 'dog':2", ""}, nil},
		"xml":                         {[]string{"<a>1</a>", "text"}, nil},
		"oid":                         {[]string{"1", "17", "4294967295"}, nil},
		"hstore":                      {[]string{`"a"=>"1"`, ""}, nil},
	}
}

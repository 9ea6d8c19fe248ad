// Package collection describes watched tables as clients see them: rows with a key, a list, live changes, and
// filters that stay true when rows move into and out of them.
//
// A [Collection] says which events are about it and what they do to its rows. The server that lists rows and the
// stream that delivers events use the same description, so that both agree about every row.
//
// A [Where] is a filter. It promises that [Where.Match] selects a row, which [Collection.ParseRow] reads from its JSON,
// if and only if PostgreSQL selects it by [Where.SQL]. [Rows] tell which filters may match one of a few rows, and
// an [Order] reads lists in pages. Everything that a client sends is bounded; a [ParamError] says what to write instead.
package collection

package listing

import (
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
)

// Query says which rows of a collection a client wants.
type Query struct {
	Where *collection.Where // nil for all
	Order collection.Order  // before the order of the key
	Limit int               // of rows, at least 1
	After string            // the Next of an earlier page, or empty
	Count bool              // whether to count the rows of all pages
	// Grants are those of the client.
	Grants []string
}

// Page is a page of a list. The caller must call Release when it no longer needs the rows.
type Page struct {
	Rows       [][]byte // JSON objects; nil for a row that is too large or unreadable
	Keys       []string // of the rows
	Oversized  []string // keys of the rows that are too large
	Unreadable []string // keys of the rows that PostgreSQL cannot send
	Cursor     stream.Cursor
	Next       string // for Query.After; empty after the last page
	Count      *int64
	Release    func()
}

// Row is a row, with the cursor of its snapshot. The caller must call Release when it no longer needs the data.
type Row struct {
	Data    []byte
	Cursor  stream.Cursor
	Release func()
}

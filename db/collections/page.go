package collections

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/stream/listing"
)

// fastRowBytes bounds the data of a row of a page that is read without the bounds of pgherald.list_rows: such a page may
// have more than it could keep, but not much more.
const fastRowBytes = 64 << 10

// carefulPages is the number of pages that are read within bounds after one that exceeded them. With bounds, a row costs
// 1 µs more.
const carefulPages = 100

// maxCarefulPages is that number after a page that PostgreSQL could not read without bounds. It doubles up to this: each
// attempt may take as long as a statement may.
const maxCarefulPages = 64 * carefulPages

// errLarge says that a row has more than fastRowBytes.
var errLarge = errors.New("a row is large")

// readPage reads the rows, the cursor and perhaps the count in one snapshot, at once.
func (l *Lists) readPage(ctx context.Context, from *list, q listing.Query, position []*string, page *listing.Page) error {
	if n := from.careful.Load(); n > 0 {
		from.careful.CompareAndSwap(n, n-1)
	} else {
		rows := pageRows{page: page, limit: q.Limit, rowBytes: min(fastRowBytes, l.opts.PageBytes), pageBytes: l.opts.PageBytes, isFast: true}
		err := l.readRows(ctx, from, from.page(q, position, true), q, &rows)
		isCostly, isAgain := fastFailed(err)
		switch {
		case isCostly:
			from.beCareful()
		case rows.isCut || isAgain:
			from.careful.Store(carefulPages)
		}
		if !isAgain {
			return err
		}
		*page = listing.Page{}
	}
	return l.readRows(ctx, from, from.page(q, position, false), q, &pageRows{page: page, limit: q.Limit, rowBytes: l.opts.PageBytes, pageBytes: l.opts.PageBytes})
}

// beCareful lets the next pages be read within bounds: twice as many as the last time.
func (l *list) beCareful() {
	pages := max(carefulPages, min(2*l.lastCareful.Load(), maxCarefulPages))
	l.lastCareful.Store(pages)
	l.careful.Store(pages)
}

// fastFailed reports whether reading rows without bounds, which writes them to a file, has cost more than PostgreSQL allows,
// and whether the page is to be read again at once: if the time is over, the client's may be, too.
func fastFailed(err error) (isCostly, isAgain bool) {
	var counting *countError
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, errLarge):
		return false, true
	case errors.As(err, &counting) || !errors.As(err, &pg): // a count takes as long with bounds
		return false, false
	}
	switch pg.Code {
	case "57014", "53100", "53200": // statement_timeout; no disk; no memory
		return true, false
	case "53400": // temp_file_limit
		return true, true
	}
	return false, false
}

func (l *Lists) readRows(ctx context.Context, from *list, s *statements, q listing.Query, rows *pageRows) (err error) {
	page := rows.page
	calls := []call{{s: s, limit: int64(q.Limit + 1), rowBytes: rows.rowBytes, pageBytes: rows.pageBytes, do: rows.add}}
	if q.Count {
		calls = append(calls, countRows(from.count(q), page))
	}
	if page.Cursor, err = l.readAtOnce(ctx, calls); err != nil || !rows.more {
		return err
	}
	return from.setNext(q, page, rows.last)
}

// pageRows collects the rows of a page.
type pageRows struct {
	page                *listing.Page
	limit               int
	rowBytes, pageBytes int64
	isFast              bool // whether the rows come without the bounds of pgherald.list_rows

	seen  int
	bytes int64
	more  bool   // whether there are rows behind the page
	isCut bool   // whether that is because of its bytes
	last  []byte // the position of the last row
}

// add returns errLarge for a row that needs the bounds.
func (p *pageRows) add(r row) error {
	if p.isFast && r.data == nil {
		return errLarge
	}
	p.seen++
	p.bytes += int64(len(r.data))
	p.isCut = p.isCut || p.bytes > p.pageBytes || r.data == nil && r.bytes <= p.rowBytes
	if p.more = p.more || p.isCut || p.seen > p.limit; p.more {
		return nil
	}
	if n := len(p.page.Keys); n > 0 && p.page.Keys[n-1] == r.key { // joins repeat a row
		return nil
	}
	p.last = append(p.last[:0], r.sort...)
	p.page.Keys, p.page.Rows = append(p.page.Keys, r.key), append(p.page.Rows, r.data)
	if r.data == nil {
		p.page.Oversized = append(p.page.Oversized, r.key)
	}
	return nil
}

// setNext makes the page continue after the position of its last row, the text of a text[].
func (l *list) setNext(q listing.Query, page *listing.Page, last []byte) error {
	position, err := parseTexts(string(last))
	if err != nil {
		return err
	}
	if page.Next = formatPosition(l.scope(q), position); page.Next == "" {
		return &listing.Error{Kind: listing.LongPosition, Collection: l.Name, Key: page.Keys[len(page.Keys)-1]}
	}
	return nil
}

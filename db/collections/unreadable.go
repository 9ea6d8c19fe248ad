package collections

import (
	"bytes"
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/stream/listing"
)

// isUnreadable reports whether PostgreSQL could not send a value: its text has no equivalent in UTF-8, or, in a database
// of the encoding SQL_ASCII, is not valid.
func isUnreadable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && isUnreadableCode(pg.Code)
}

// isUnreadableCode knows untranslatable_character and character_not_in_repertoire.
func isUnreadableCode(code string) bool { return code == "22P05" || code == "22021" }

// isolated reads a page like readPage, but the rows one by one, after a statement for all of them has failed because of
// some. The others come as always, and of those the keys.
func (l *Lists) isolated(ctx context.Context, from *list, s *statements, q listing.Query, page *listing.Page) (err error) {
	page.Cursor, err = l.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := l.isolatedRows(ctx, tx, from, s, q, page); err != nil || !q.Count {
			return err
		}
		count := countRows(from.count(q), page)
		return count.run(ctx, tx)
	})
	return err
}

func (l *Lists) isolatedRows(ctx context.Context, tx pgx.Tx, from *list, s *statements, q listing.Query, page *listing.Page) error {
	var positions [][]byte
	seen := 0
	const keysAlone = -1 // every row has more bytes
	keys := call{s: s, limit: int64(q.Limit + 1), rowBytes: keysAlone, pageBytes: l.opts.PageBytes, do: func(r row) error {
		seen++
		if n := len(page.Keys); seen <= q.Limit && (n == 0 || page.Keys[n-1] != r.key) { // joins repeat a row
			page.Keys, positions = append(page.Keys, r.key), append(positions, bytes.Clone(r.sort))
		}
		return nil
	}}
	if err := keys.run(ctx, tx); err != nil {
		return err
	}
	end, err := l.rowsByKey(ctx, tx, from, q, page)
	if err != nil || end == len(page.Keys) && seen <= q.Limit {
		return err
	}
	page.Keys = page.Keys[:end]
	return from.setNext(q, page, positions[end-1])
}

// rowsByKey reads the rows with the keys of a page, as many as the page may have. It returns their number.
func (l *Lists) rowsByKey(ctx context.Context, tx pgx.Tx, from *list, q listing.Query, page *listing.Page) (n int, err error) {
	size := int64(0)
	for _, key := range page.Keys {
		found, err := l.tryRow(ctx, tx, from, key, q.Grants)
		switch {
		case isUnreadable(err):
			page.Rows, page.Unreadable = append(page.Rows, nil), append(page.Unreadable, key)
		case err != nil:
			return n, err
		case found == nil || found.data == nil:
			page.Rows, page.Oversized = append(page.Rows, nil), append(page.Oversized, key)
		case n > 0 && size+found.bytes > l.opts.PageBytes:
			return n, nil
		default:
			page.Rows, size = append(page.Rows, found.data), size+found.bytes
		}
		n++
	}
	return n, nil
}

// tryRow reads a row within a savepoint, so that the transaction outlives an error.
func (l *Lists) tryRow(ctx context.Context, tx pgx.Tx, from *list, key string, grants []string) (found *row, err error) {
	s, ok := from.row(key, grants)
	if !ok {
		return nil, nil
	}
	savepoint, err := tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	found, err = first(ctx, savepoint, s, l.opts.PageBytes)
	return found, errors.Join(err, savepoint.Rollback(ctx))
}

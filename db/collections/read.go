package collections

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/listing"
)

// read runs do on one snapshot, and returns the cursor of that. The cursor comes first: what runs in do may change the
// settings of the transaction, which holds for the statements after it.
func (l *Lists) read(ctx context.Context, do func(ctx context.Context, tx pgx.Tx) error) (cursor stream.Cursor, err error) {
	ctx, cancel := context.WithTimeout(ctx, transactionTimeout)
	defer cancel()
	tx, err := l.pool.BeginForeign(ctx)
	if err != nil {
		return cursor, err
	}
	defer end(ctx, tx)
	if cursor, err = l.head.SnapshotCursor(ctx, tx); err != nil {
		return cursor, err
	}
	return cursor, do(ctx, tx)
}

// end ends a transaction. If that fails, the pool has closed the connection.
func end(ctx context.Context, tx pgx.Tx) { _ = tx.Rollback(ctx) }

// readAtOnce makes the calls in one snapshot, and returns the cursor of that. Unlike read, it takes one round trip.
func (l *Lists) readAtOnce(ctx context.Context, calls []call) (cursor stream.Cursor, err error) {
	ctx, cancel := context.WithTimeout(ctx, transactionTimeout)
	defer cancel()
	var snapshot []byte
	err = l.pool.ReadForeign(ctx, func(batch *pgconn.Batch) {
		batch.ExecParams(l.head.SnapshotSQL(), nil, nil, nil, nil)
		for _, c := range calls {
			c.addTo(batch)
		}
	}, func(results *pgconn.MultiResultReader) error {
		err := eachResult(results, func(values [][]byte) error {
			snapshot = bytes.Clone(values[0])
			return nil
		})
		for i := 0; i < len(calls) && err == nil; i++ {
			err = calls[i].read(results)
		}
		return err
	})
	if err != nil {
		return cursor, err
	}
	return l.head.ParseSnapshot(ctx, snapshot)
}

// eachResult calls do for each row of the next result. The values are valid until do returns.
func eachResult(results *pgconn.MultiResultReader, do func(values [][]byte) error) (err error) {
	if !results.NextResult() {
		return errors.Join(results.Close(), errNoResult)
	}
	rows := results.ResultReader()
	for err == nil && rows.NextRow() {
		err = do(rows.Values())
	}
	if _, failed := rows.Close(); failed != nil {
		return failed
	}
	return err
}

var errNoResult = errors.New("a statement has no result")

// listRowsSQL names the schema of each type: code of others, in an earlier call, may have changed the search path.
const listRowsSQL = `
select r.key, r.data, r.bytes, r.sort
from pgherald.list_rows($1::pg_catalog.text[], $2::pg_catalog.text[], $3::pg_catalog.int8, $4::pg_catalog.int8, $5::pg_catalog.int8) as r`

// fastRowsSQL is listRowsSQL for queries that run without bounds. It sends no data of more than $4 bytes.
const fastRowsSQL = `
select
    r.key,
    case when pg_catalog.octet_length(r.data::pg_catalog.text) operator(pg_catalog.<=) $4::pg_catalog.int8 then r.data end,
    null::pg_catalog.int8,
    r.sort
from pgherald.list_rows($1::pg_catalog.text[], $2::pg_catalog.text[], $3::pg_catalog.int8, null, null) as r`

// row is a row of pgherald.list_rows.
type row struct {
	key   string
	data  []byte // nil if it has too many bytes
	bytes int64
	sort  []byte // of a text[]: see parseTexts. It is valid until the next row
}

// parseRow copies a row out of its values in the binary format. To scan them would cost more than to read them.
func parseRow(values [][]byte) row {
	r := row{key: string(values[0]), data: oneLine(bytes.Clone(values[1])), sort: values[3]}
	if values[2] != nil {
		r.bytes = int64(binary.BigEndian.Uint64(values[2]))
	}
	return r
}

// call is a call of pgherald.list_rows for at most limit rows. Of a row with more than rowBytes, it does not read the
// data. Before a row with which the data would exceed pageBytes, it stops: that row has no data either.
type call struct {
	s                          *statements
	limit, rowBytes, pageBytes int64
	do                         func(row) error // for each row
	isCount                    bool
}

// addTo adds the call to a batch.
func (c *call) addTo(batch *pgconn.Batch) {
	sql := listRowsSQL
	values := [][]byte{[]byte(arrayText(c.s.queries)), []byte(arrayText(c.s.params.Values))}
	types := []uint32{pgtype.TextArrayOID, pgtype.TextArrayOID}
	for _, n := range []int64{c.limit, c.rowBytes, c.pageBytes} {
		values, types = append(values, strconv.AppendInt(nil, n, 10)), append(types, pgtype.Int8OID)
	}
	if c.s.isFast {
		sql, values, types = fastRowsSQL, values[:4], types[:4]
	}
	batch.ExecParams(sql, values, types, nil, []int16{pgx.BinaryFormatCode})
}

// read reads the result of the call in a batch.
func (c *call) read(results *pgconn.MultiResultReader) error {
	return c.explain(eachResult(results, func(values [][]byte) error { return c.do(parseRow(values)) }))
}

// run makes the call alone, in a transaction.
func (c *call) run(ctx context.Context, tx pgx.Tx) error {
	formats := pgx.QueryResultFormats{pgx.BinaryFormatCode}
	rows, err := tx.Query(ctx, listRowsSQL, formats, c.s.queries, c.s.params.Values, c.limit, c.rowBytes, c.pageBytes)
	if err != nil {
		return c.explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := c.do(parseRow(rows.RawValues())); err != nil {
			return c.explain(err)
		}
	}
	return c.explain(rows.Err())
}

// explain returns the error of a call.
func (c *call) explain(err error) error {
	if err != nil && c.isCount {
		return &countError{err}
	}
	return err
}

// oneLine turns line breaks into spaces, as in the frames of a stream. In JSON they have no meaning, and strings contain
// none.
func oneLine(data []byte) []byte {
	for i, c := range data {
		if c == '\n' || c == '\r' {
			data[i] = ' '
		}
	}
	return data
}

// firstRow returns a call that sets found to the first row; it stays nil if there is none.
func firstRow(s *statements, bytes int64, found **row) call {
	return call{s: s, limit: 1, rowBytes: bytes, pageBytes: bytes, do: func(r row) error {
		*found = &r
		return nil
	}}
}

// first returns the first row, nil if there is none.
func first(ctx context.Context, tx pgx.Tx, s *statements, bytes int64) (found *row, err error) {
	c := firstRow(s, bytes, &found)
	err = c.run(ctx, tx)
	return found, err
}

// countRows returns a call that sets the count of a page.
func countRows(s *statements, page *listing.Page) call {
	return call{s: s, limit: 1, isCount: true, do: func(r row) error {
		values, err := parseTexts(string(r.sort))
		if err != nil || len(values) != 1 || values[0] == nil {
			return errors.Join(err, errors.New("the count is missing"))
		}
		count, err := strconv.ParseInt(*values[0], 10, 64)
		page.Count = &count
		return err
	}}
}

// countError says that rows could be read, but not counted.
type countError struct{ error }

func (e *countError) Unwrap() error { return e.error }

package triggers

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// isUnreadable reports whether an error says that a name has no equivalent in UTF-8. Databases of other encodings may have such
// names, and any role that may create a table there can give it one.
func isUnreadable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "22021" || pg.Code == "22P05") // invalid bytes, an untranslatable character
}

// readableTables calls read with those of the tables whose names PostgreSQL can send, in as few calls as it takes to find the others, which
// it returns. A call that fails must leave nothing behind.
func readableTables(ctx context.Context, tx pgx.Tx, oids []uint32, read func(pgx.Tx, []uint32) error) (others []uint32, err error) {
	err = pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error { return read(savepoint, oids) })
	switch {
	case !isUnreadable(err):
		return nil, err
	case len(oids) <= 1:
		return oids, nil
	}
	for _, half := range [][]uint32{oids[:len(oids)/2], oids[len(oids)/2:]} {
		unreadable, err := readableTables(ctx, tx, half, read)
		if err != nil {
			return nil, err
		}
		others = append(others, unreadable...)
	}
	return others, nil
}

// allTables returns the tables of the database.
func allTables(ctx context.Context, tx pgx.Tx) ([]uint32, error) {
	rows, err := tx.Query(ctx, `select c.oid from pg_class as c where c.relkind in ('r', 'p') order by c.oid`)
	if err != nil {
		return nil, fmt.Errorf("list the tables by number: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[uint32])
}

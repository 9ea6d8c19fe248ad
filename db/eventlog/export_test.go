package eventlog

import (
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pgherald/pgherald/stream"
)

// WithSizes returns a log with small pages, so that little data reaches every path.
func (l *Log) WithSizes(readEvents, planSize, pageBytes int) *Log {
	return &Log{pool: l.pool, cluster: l.cluster, readEvents: readEvents, planSize: planSize, pageBytes: pageBytes}
}

// PruneLock is the key of the pruner's advisory lock.
const PruneLock = pruneLock

// ReadSQL is the statement of Log.Read for a cursor with holes.
const ReadSQL = readSQL

// DecodeRow decodes a row of the log in PostgreSQL's binary format.
func DecodeRow(columns [][]byte) (stream.Event, error) {
	e, err := row(columns).event(pgtype.NewMap())
	return e.Event, err
}

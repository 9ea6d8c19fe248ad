package eventlog

import (
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pgherald/pgherald/stream"
)

// WithSizes makes the log's pages small, so that little data takes every path.
func (l *Log) WithSizes(readEvents, planSize, pageBytes int) *Log {
	return &Log{pool: l.pool, cluster: l.cluster, readEvents: readEvents, planSize: planSize, pageBytes: pageBytes}
}

// PruneLock is the advisory lock of whoever prunes.
const PruneLock = pruneLock

// ReadSQL is what Log.Read asks.
const ReadSQL = readSQL

// DecodeRow reads a row of the log as Postgres sends it.
func DecodeRow(columns [][]byte) (stream.Event, error) {
	e, err := row(columns).event(pgtype.NewMap())
	return e.Event, err
}

package eventlog

import (
	"time"

	"github.com/pgherald/pgherald/stream"
)

// WithSizes returns a log with small pages, so that little data reaches every path.
func (l *Log) WithSizes(readEvents, planSize, pageBytes int) *Log {
	sized := *l
	sized.readEvents, sized.planSize, sized.pageBytes = readEvents, planSize, pageBytes
	return &sized
}

// WithLimits returns a log with small limits of an event and of a page, in bytes.
func (l *Log) WithLimits(maxEventBytes int64, maxPageBytes int) *Log {
	limited := *l
	limited.maxEventBytes, limited.maxPageBytes = maxEventBytes, maxPageBytes
	return &limited
}

// ReadSQL is the statement of Log.Read for a cursor with holes.
const ReadSQL = fastSQL

// DecodeRow decodes a row of the log in PostgreSQL's binary format.
func DecodeRow(columns [][]byte) (stream.Event, error) {
	e, err := row(columns).event(DefaultMaxEventBytes)
	return e.Event, err
}

// SetMaxBytes changes the limit of a pruner that does not run.
func (p *Pruner) SetMaxBytes(limit int64) { p.opts.MaxBytes = limit }

// SetLimit changes the limit of a chunk of a pruner that does not run.
func (p *Pruner) SetLimit(limit time.Duration) { p.limit = limit }

// SetTimeout changes the limits of a payment of a payer that does not run.
func (p *Payer) SetTimeout(limit time.Duration) { p.timeout, p.lastTimeout = limit, limit }

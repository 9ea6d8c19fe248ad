package eventlog

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream"
)

// page is the result of one statement.
type page struct {
	state        state
	events       []event // ordered by id
	bytes        int     // of the events
	truncated    bool    // the result exceeded the limits
	skippedBytes int     // bytes of events beyond the limits, received and discarded
}

// event is a row of the log with its transaction.
type event struct {
	xid       uint64
	isPartial bool // only id, transaction and time are valid
	stream.Event
}

// query runs a statement, and marks the page as truncated if there was more than its limits allow. An
// event that PostgreSQL cannot send does not make it fail: see isolate.
func (l *Log) query(ctx context.Context, st statement) (*page, error) {
	p, err := l.readWhole(ctx, st)
	if isUnreadable(err) {
		p, err = l.isolate(ctx, st)
	}
	l.adaptPages(err)
	return p, err
}

// readWhole runs a statement. It replaces the events of which it could read the type only.
func (l *Log) readWhole(ctx context.Context, st statement) (*page, error) {
	p, err := l.runShaped(ctx, st, wholeShape)
	for i, e := range p.events {
		if e.Incomplete == stream.AudienceTooLarge {
			p.events[i].Event = e.Lost(e.Incomplete, "")
		}
	}
	return p, err
}

// runShaped runs a statement. With a shape other than wholeShape, it reads every event in that shape only.
func (l *Log) runShaped(ctx context.Context, st statement, shape int16) (*page, error) {
	args := append([]any{l.maxEventBytes, shape, st.wants.Everything, st.wants.Types, st.wants.Keys, grantsParam(st.wants.Grants)}, st.args...)
	return l.run(ctx, st.sql, args, st.rows)
}

// run runs a statement that begins with eventsSQL. The page keeps at most the given number of events.
func (l *Log) run(ctx context.Context, sql string, args []any, rows int) (*page, error) {
	var p *page
	args = append([]any{pgx.QueryResultFormats{pgx.BinaryFormatCode}}, args...)
	err := l.withState(ctx, readTimeout, func(ctx context.Context, conn *pgx.Conn) error {
		p = &page{}
		result, err := conn.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		defer result.Close()
		var raw rawState
		for result.Next() {
			if err := p.add(result.RawValues(), &raw, rows, l.sizes); err != nil {
				return err
			}
			if p.skippedBytes > l.maxPageBytes { // only a closed connection stops PostgreSQL from sending the rest
				_ = conn.Close(ctx)
				break
			}
		}
		if err := result.Err(); err != nil {
			return err
		}
		p.state, err = raw.parse(db.ClusterOf(conn))
		return err
	})
	if p == nil { // no connection
		p = &page{}
	}
	sortByID(p.events)
	return p, err
}

// grantsParam returns the grants as a parameter: an empty array, never null, which would match nothing and
// no public event either.
func grantsParam(grants []string) []string {
	if grants == nil {
		return []string{}
	}
	return grants
}

// add keeps the row if the page has room for it: for one event in any case.
func (p *page) add(r row, raw *rawState, maxRows int, limits sizes) error {
	size := r.size()
	if p.truncated {
		p.skippedBytes += size
		return nil
	}
	found, isState, err := r.state()
	if isState || err != nil {
		*raw = found
		return err
	}
	if len(p.events) == maxRows || len(p.events) > 0 && p.bytes+size > limits.maxPageBytes {
		p.truncated = true
		return nil
	}
	e, err := r.event(limits.maxEventBytes)
	if err != nil {
		return err
	}
	p.events = append(p.events, e)
	p.bytes += size
	return nil
}

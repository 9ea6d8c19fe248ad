package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/stream"
)

// isUnreadable reports whether PostgreSQL has read a row that it cannot send, so that the same statement
// without that row would succeed: its text has no equivalent in UTF-8 (in a database of another encoding)
// or is not valid (in one of SQL_ASCII), is too long for a conversion, or is corrupt on disk.
func isUnreadable(err error) bool {
	switch sqlState(err)[:2] {
	case "22", "54", "XX": // data exception, program limit exceeded, internal error
		return true
	}
	return false
}

// sqlState returns the SQLSTATE of an error of PostgreSQL, and "00000" for any other error.
func sqlState(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && len(pg.Code) == 5 {
		return pg.Code
	}
	return "00000"
}

// isolate runs a statement that failed because of an unreadable event. It first reads the ids of the
// events, which needs no conversion, and then the events in halves, down to those that cannot be read. In
// their place it yields events that say so. With b unreadable events of n, that takes about b·log n
// statements.
func (l *Log) isolate(ctx context.Context, st statement) (*page, error) {
	st.wants = everything // a parameter may be what has no equivalent in the encoding of the database
	p, err := l.runShaped(ctx, st, identityShape)
	if err != nil {
		return nil, fmt.Errorf("find unreadable events: %w", err)
	}
	ids := p.events
	p.events, p.bytes = nil, 0
	if err := l.readHalves(ctx, p, ids); err != nil {
		return nil, fmt.Errorf("find unreadable events: %w", err)
	}
	return p, nil
}

// readHalves reads the events of the given ids into the page, until it is full.
func (l *Log) readHalves(ctx context.Context, p *page, ids []event) error {
	if len(ids) == 0 || p.isFull(l.maxPageBytes) {
		p.truncated = p.truncated || len(ids) > 0
		return nil
	}
	part, err := l.readWhole(ctx, byID(ids))
	switch {
	case err == nil:
		return p.append(part)
	case !isUnreadable(err):
		return err
	case len(ids) == 1:
		p.events = append(p.events, l.lost(ctx, ids[0], sqlState(err)))
		return nil
	}
	middle := len(ids) / 2
	if err := l.readHalves(ctx, p, ids[:middle]); err != nil {
		return err
	}
	return l.readHalves(ctx, p, ids[middle:])
}

// isFull reports whether the page must not grow.
func (p *page) isFull(bytes int) bool { return p.truncated && len(p.events) > 0 || p.bytes >= bytes }

// append adds events that a later statement has read. It notes what was pruned meanwhile.
func (p *page) append(part *page) error {
	if part.state.epoch != p.state.epoch {
		return fmt.Errorf("%w: it changed to %s during the read", stream.ErrOtherLog, part.state.epoch)
	}
	p.state.prunedBelow = part.state.prunedBelow
	p.events = append(p.events, part.events...)
	p.bytes += part.bytes
	p.truncated = p.truncated || part.truncated
	return nil
}

// byID returns the statement that reads the events of the given ids.
func byID(events []event) statement {
	xids, ids := make([]uint64, len(events)), make([]int64, len(events))
	for i, e := range events {
		xids[i], ids[i] = e.xid, e.ID
	}
	slices.Sort(xids)
	return statement{sql: idsSQL, args: []any{slices.Compact(xids), ids}, wants: everything, rows: len(events)}
}

// lost returns the event that stands for an unreadable one. It has the type of that event, if at least the
// type can be read.
func (l *Log) lost(ctx context.Context, e event, code string) event {
	if p, err := l.runShaped(ctx, byID([]event{e}), typeOnlyShape); err == nil && len(p.events) == 1 {
		return event{xid: e.xid, Event: p.events[0].Lost(stream.Unreadable, code)}
	}
	return event{xid: e.xid, Event: e.Lost(stream.Unreadable, code)}
}

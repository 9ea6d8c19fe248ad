package server

import (
	"log/slog"
	"time"

	"github.com/pgherald/pgherald/stream"
)

const (
	// resetLogInterval is the time after which the log output names a table again whose events fail.
	resetLogInterval = time.Minute

	// reasonExpression is the reason of a reset by a trigger function that raised an error, and undefinedColumn the SQLSTATE of
	// one that uses a column which is no longer there.
	reasonExpression = "expression"
	undefinedColumn  = "42703"

	// maxResetTables bounds the tables that are logged in an interval: anyone who may publish could invent names.
	maxResetTables = 100
)

// eventRead observes an event that the feed has read. A collection_reset says that something is wrong with a
// table or its triggers.
func (p *pipeline) eventRead(e *stream.Event) {
	p.metrics.EventRead(e)
	p.seenTypes.add(e.Type)
	if e.At.After(p.began) { // at the start, the server reads older ones
		p.lag.Store(max(0, time.Since(e.At).Milliseconds()))
	}
	if e.Type == stream.TypeCollectionReset {
		reset := stream.ParseCollectionReset(e.Data)
		p.metrics.CollectionReset(reset.Reason)
		p.resetLog.add(reset, e.At, time.Now())
		if reset.Reason == reasonExpression {
			p.payer.Failed(reset.TableName(), reset.SQLState)
		}
		if reset.Reason == reasonExpression && reset.SQLState == undefinedColumn {
			p.watcher.broken(reset.TableName())
		}
		p.watcher.wake()
	}
}

// resetLog says which tables have events that cannot be computed: each table once in an interval. Only the reader
// of the log uses it.
type resetLog struct {
	logger *slog.Logger
	began  time.Time
	seen   map[string]bool
}

// add logs a reset, unless it is old, because a server that starts reads the log again.
func (l *resetLog) add(r stream.CollectionReset, at, now time.Time) {
	if r.Reason != reasonExpression || now.Sub(at) > resetLogInterval {
		return
	}
	if now.Sub(l.began) >= resetLogInterval {
		l.began, l.seen = now, make(map[string]bool)
	}
	if l.seen[r.TableName()] || len(l.seen) >= maxResetTables {
		return
	}
	l.seen[r.TableName()] = true
	l.logger.Warn("the spec's SQL raised an error, and clients load the table again: correct the spec or the data, then run `pgherald apply`",
		"table", r.TableName(), "sqlstate", r.SQLState)
}

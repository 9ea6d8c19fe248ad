package server

import (
	"encoding/json"
	"log/slog"
	"time"

	"github.com/pgherald/pgherald/stream"
)

const (
	// resetLogInterval is the time after which the log output names a table again whose events fail.
	resetLogInterval = time.Minute

	// maxResetTables bounds the tables that are logged in an interval: anyone who may publish could invent names.
	maxResetTables = 100
)

// eventRead observes an event that the feed has read. A collection_reset says that something is wrong with a
// table or its triggers.
func (p *pipeline) eventRead(e *stream.Event) {
	p.metrics.EventRead(e)
	if e.Type == stream.TypeCollectionReset {
		reset := readReset(e)
		p.metrics.CollectionReset(reset.Reason)
		p.resetLog.add(reset, e.At, time.Now())
		p.watcher.wake()
	}
}

// collectionReset is the data of a collection_reset.
type collectionReset struct {
	Table    string `json:"table"`
	Reason   string `json:"reason"`
	SQLState string `json:"sqlstate"`
}

// readReset returns the data of a collection_reset. Whatever it cannot read stays empty.
func readReset(e *stream.Event) collectionReset {
	var r collectionReset
	_ = json.Unmarshal(e.Data, &r)
	return r
}

// resetLog says which tables have events that cannot be computed: each table once in an interval. Only the reader
// of the log uses it.
type resetLog struct {
	logger *slog.Logger
	began  time.Time
	seen   map[string]bool
}

// add logs a reset, unless it is old, because a server that starts reads the log again.
func (l *resetLog) add(r collectionReset, at, now time.Time) {
	if r.Reason != "expression" || now.Sub(at) > resetLogInterval {
		return
	}
	if now.Sub(l.began) >= resetLogInterval {
		l.began, l.seen = now, make(map[string]bool)
	}
	if l.seen[r.Table] || len(l.seen) >= maxResetTables {
		return
	}
	l.seen[r.Table] = true
	l.logger.Warn("the spec's SQL raised an error, and clients load the table again: correct the spec or the data, then run `pgherald triggers apply`",
		"table", r.Table, "sqlstate", r.SQLState)
}

package db

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pgherald/pgherald/stream"
)

// WithSizes makes the log's pages small, so that little data takes every path.
func (l *Log) WithSizes(readEvents, planSize, pageBytes int) *Log {
	return &Log{pool: l.pool, cluster: l.cluster, readEvents: readEvents, planSize: planSize, pageBytes: pageBytes}
}

// SetBacklog replaces what must work on each new connection.
func (l *Listener) SetBacklog(f func(context.Context, *pgx.Conn) error) { l.backlog = f }

// SetProbeTimeout is for a listener that does not run yet.
func (l *Listener) SetProbeTimeout(d time.Duration) { l.opts.ProbeTimeout = d }

// OnConnect tells of each session's backend. It is for a waker that does not run yet.
func (w *Waker) OnConnect(told func(pid uint32)) {
	w.config.AfterConnect = func(_ context.Context, conn *pgconn.PgConn) error {
		told(conn.PID())
		return nil
	}
}

// ParseSnapshot is exported for its fuzz test.
func ParseSnapshot(s string) (xmax uint64, running []uint64, err error) {
	snap, err := parseSnapshot(s)
	return snap.xmax, snap.running, err
}

// PruneLock is the advisory lock of whoever prunes.
const PruneLock = pruneLock

// WakerLock is the advisory lock of the waker.
const WakerLock = wakerLock

// Turn is one turn of a presence's Run at the given time, with a sign of life.
func (p *Presence) Turn(ctx context.Context, now time.Time) error {
	_, err := p.turn(ctx, now, true)
	return err
}

// Replica is what the presence's server is called.
func (p *Presence) Replica() string { return p.replica }

// Known is how many users the presence remembers.
func (p *Presence) Known() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.users)
}

// ReadSQL is what Log.Read asks.
const ReadSQL = readSQL

// DecodeRow reads a row of the log as Postgres sends it.
func DecodeRow(columns [][]byte) (stream.Event, error) {
	e, err := row(columns).event(pgtype.NewMap())
	return e.Event, err
}

package eventlog

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream"
)

// state describes the log at the time of one snapshot. Every statement on the log returns it with its
// events.
type state struct {
	epoch       string
	prunedBelow uint64 // events of transactions below may be gone
	snapshot    db.Snapshot
}

// stateColumns are the columns of the state, for a select from pgherald.log as l.
const stateColumns = `
    l.id::text as log_id,
    substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) as timeline,
    l.pruned_below,
    pg_current_snapshot()::text as snapshot`

// validateCursor returns nil if the log can continue exactly after the cursor. Otherwise the error wraps
// stream.ErrOtherLog, stream.ErrFuture or stream.ErrPruned.
func (s *state) validateCursor(c stream.Cursor) error {
	switch {
	case c.Epoch() != s.epoch:
		return fmt.Errorf("%w: it names %s, this is %s", stream.ErrOtherLog, c.Epoch(), s.epoch)
	case c.Next() > s.snapshot.Xmax:
		return fmt.Errorf("%w: it has seen up to %d, the next is %d", stream.ErrFuture, c.Next(), s.snapshot.Xmax)
	case c.Next() < s.prunedBelow, len(c.Holes()) > 0 && c.Holes()[0] < s.prunedBelow:
		return fmt.Errorf("%w: events below %d may be gone", stream.ErrPruned, s.prunedBelow)
	}
	return nil
}

// isForeign reports whether the horizon comes from another cluster.
func (s *state) isForeign() bool { return s.prunedBelow > s.snapshot.Xmax }

// isFuture reports whether this cluster has not begun the transaction: a visible event of it came from
// another cluster.
func (s *state) isFuture(xid uint64) bool { return xid >= s.snapshot.Xmax }

// epoch names a log on a timeline of a cluster. After a restore elsewhere, or a failover to a server
// that had not received everything, the same xids belong to other transactions.
func epoch(cluster, logID, timeline string) string {
	sum := sha256.Sum256([]byte(cluster + "/" + logID + "/" + timeline))
	text := strconv.FormatUint(binary.BigEndian.Uint64(sum[:8]), 36)
	return ("000000" + text)[len(text):]
}

// rawState is a state as PostgreSQL returns it.
type rawState struct {
	logID, timeline, snapshot string
	prunedBelow               uint64
}

// scan reads a row of the stateColumns and one more column.
func (r *rawState) scan(row pgx.Row, more any) error {
	return row.Scan(&r.logID, &r.timeline, &r.prunedBelow, &r.snapshot, more)
}

func (r *rawState) parse(cluster string) (state, error) {
	if r.logID == "" {
		return state{}, errors.New("read the log: pgherald.log has no row: run pgherald migrate up")
	}
	snap, err := db.ParseSnapshot(r.snapshot)
	if err != nil {
		return state{}, err
	}
	return state{epoch: epoch(cluster, r.logID, r.timeline), prunedBelow: r.prunedBelow, snapshot: snap}, nil
}

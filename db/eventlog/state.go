package eventlog

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream"
)

// state describes the log at the time of one snapshot. Every statement on the log returns it with its
// events.
type state struct {
	epoch       string
	lsn         uint64 // everything in the snapshot committed below this position in the write-ahead log
	prunedBelow uint64 // events of transactions below may be gone
	snapshot    db.Snapshot
}

// stateColumns are the columns of the state, for a select from pgherald.log as l.
//
// PostgreSQL takes a statement's snapshot before it evaluates a volatile function, and writes the record of a
// commit before the commit becomes visible. So every transaction in the snapshot has committed below the
// position.
const stateColumns = `
    l.id::text as log_id,
    (select r.id from pgherald.recovered as r) as recovery,
    pg_current_wal_insert_lsn() as lsn,
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

// epoch names a log of a cluster after a recovery. After a restore elsewhere, or a recovery that lost
// transactions, the same xids may belong to other ones.
func epoch(cluster, logID, recovery string) string {
	sum := sha256.Sum256([]byte(cluster + "/" + logID + "/" + recovery))
	text := strconv.FormatUint(binary.BigEndian.Uint64(sum[:8]), 36)
	return ("000000" + text)[len(text):]
}

// rawState is a state as PostgreSQL returns it.
type rawState struct {
	logID            string
	recovery         *string // nil if no server has recorded the newest recovery yet
	lsn, prunedBelow uint64
	snapshot         string
}

// scan reads a row of the stateColumns and one more column.
func (r *rawState) scan(row pgx.Row, more any) error {
	var lsn string
	if err := row.Scan(&r.logID, &r.recovery, &lsn, &r.prunedBelow, &r.snapshot, more); err != nil {
		return err
	}
	var err error
	r.lsn, err = parseLSN(lsn)
	return err
}

func (r *rawState) parse(cluster string) (state, error) {
	if r.logID == "" {
		return state{}, errors.New("read the log: pgherald.log has no row: run pgherald migrate up")
	}
	if r.recovery == nil {
		return state{}, errNotRecorded
	}
	snap, err := db.ParseSnapshot(r.snapshot)
	if err != nil {
		return state{}, err
	}
	return state{epoch: epoch(cluster, r.logID, *r.recovery), lsn: r.lsn, prunedBelow: r.prunedBelow, snapshot: snap}, nil
}

// parseLSN parses a pg_lsn: two hexadecimal numbers of 32 bits.
func parseLSN(s string) (uint64, error) {
	high, low, _ := strings.Cut(s, "/")
	h, err := strconv.ParseUint(high, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("parse position %q in the write-ahead log: %w", s, err)
	}
	n, err := strconv.ParseUint(low, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("parse position %q in the write-ahead log: %w", s, err)
	}
	return h<<32 | n, nil
}

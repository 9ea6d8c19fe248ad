package relay_test

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/relay"
)

// reader is a client that reads now the log, now the stream.
type reader struct {
	*history
	cursor stream.Cursor
	got    map[uint64]string // the events of each transaction
	last   map[string]int64  // the last event of each key, by its recovery and id
	err    error             // what must not happen
}

// reset loads everything again from the log, as a client does after a reset.
func (r *reader) reset() {
	ctx := context.Background()
	cursor, err := r.log.Tail(ctx, 0, 0)
	if err != nil {
		r.err = err
		return
	}
	r.cursor, r.got, r.last = cursor, make(map[uint64]string), make(map[string]int64)
	for _, tx := range r.log.Committed() {
		if cursor.Seen(tx.XID) {
			r.got[tx.XID] = textOf(tx.Events)
		}
	}
}

func textOf(events []stream.Event) (text string) {
	for i := range events {
		text += fmt.Sprintf("%d %s %s %d;", events[i].ID, events[i].Key, events[i].Data, events[i].At.UnixNano())
	}
	return text
}

// step reads the log or the edge.
func (r *reader) step(edge *relay.Log) {
	if r.err != nil {
		return
	}
	var from stream.Log = edge
	isEdge := r.isEnding || r.rng.IntN(4) > 0
	if !isEdge {
		from = r.log
	}
	if isEdge && r.rng.IntN(4) == 0 {
		r.checkSurvivors(edge)
	}
	err := r.read(from)
	if errors.Is(err, stream.ErrOtherLog) {
		err = r.resolve(from)
		if err == nil {
			err = r.read(from)
		}
	}
	if isReset := errors.Is(err, stream.ErrOtherLog) || errors.Is(err, stream.ErrPruned) || errors.Is(err, stream.ErrFuture); !isReset {
		return
	}
	if isEdge && r.isPresent(edge) {
		if _, refused := r.log.Read(context.Background(), r.cursor); refused == nil {
			r.err = fmt.Errorf("the stream cannot go on after %v, and the log can: %w", r.cursor, err)
			return
		}
	}
	r.resets++
	r.reset()
}

// isPresent reports whether the stream is in the epoch of the log.
func (r *reader) isPresent(edge *relay.Log) bool {
	lineage, _ := r.log.Lineage(context.Background())
	return edge.Epoch() == lineage[0].Epoch
}

// errLater says that the stream does not know yet what the log does.
var errLater = errors.New("later")

// resolve brings the cursor to the present epoch, as a feed does.
func (r *reader) resolve(from stream.Log) error {
	lineage, err := from.Lineage(context.Background())
	if err != nil {
		return err
	}
	if _, ok := lineage.Since(r.cursor.Epoch()); !ok {
		if truth, _ := r.log.Lineage(context.Background()); len(truth) > len(lineage) || truth[0].Epoch != lineage[0].Epoch {
			return errLater // a feed waits
		}
	}
	resolved, ok := lineage.Resolve(r.cursor)
	if !ok {
		return stream.ErrOtherLog
	}
	if resolved.Epoch() != r.cursor.Epoch() {
		r.resolved++
	}
	r.cursor = resolved
	return nil
}

// read receives what a log has behind the cursor. Now and then the connection breaks.
func (r *reader) read(from stream.Log) error {
	ctx := context.Background()
	reading, err := from.Read(ctx, r.cursor)
	if err != nil {
		return err
	}
	var part []stream.Event
	for {
		t, err := reading.Next(ctx, stream.Interest{Everything: true})
		if errors.Is(err, io.EOF) {
			r.cursor = reading.Cursor()
			return nil
		}
		if err != nil {
			return err
		}
		part = append(part, t.Events...)
		if t.More {
			if r.rng.IntN(6) == 0 {
				if part, err = r.rest(from, t, part); err != nil {
					return err
				}
				r.receive(t, part)
				return nil
			}
			continue
		}
		r.receive(t, part)
		part = nil
		if r.rng.IntN(10) == 0 || r.rng.IntN(4) == 0 && r.err == nil && r.disturb() {
			return nil
		}
	}
}

// disturb lets something happen during a read, and returns false: the reading goes on.
func (r *reader) disturb() bool {
	if r.depth == 0 {
		r.depth++
		switch r.rng.IntN(3) {
		case 0:
			r.damage()
		default:
			r.stepRelays()
		}
		r.depth--
	}
	return false
}

// rest reads the rest of a transaction of which the reader has a part.
func (r *reader) rest(from stream.Log, t stream.Transaction, part []stream.Event) ([]stream.Event, error) {
	ctx := context.Background()
	reading, err := from.ReadTransaction(ctx, t.Cursor.Epoch(), t.XID, part[len(part)-1].ID)
	if err != nil {
		return nil, err
	}
	for {
		next, err := reading.Next(ctx, stream.Interest{Everything: true})
		if errors.Is(err, io.EOF) {
			return part, nil
		}
		if err != nil {
			return nil, err
		}
		part = append(part, next.Events...)
	}
}

// receive records a transaction.
func (r *reader) receive(t stream.Transaction, events []stream.Event) {
	r.received++
	if _, has := r.got[t.XID]; has && r.err == nil {
		r.err = fmt.Errorf("transaction %d is repeated", t.XID)
	}
	for _, e := range events {
		// A recovery may use the ids of events again; the microseconds count the recoveries.
		at := e.At.UnixMicro()%1000*1_000_000 + e.ID
		if at <= r.last[e.Key] && r.err == nil {
			r.err = fmt.Errorf("event %d of %s after %d", at, e.Key, r.last[e.Key])
		}
		r.last[e.Key] = at
	}
	r.got[t.XID] = textOf(events)
	r.cursor = t.Cursor
}

// verify compares what the reader has with the log.
func (r *reader) verify() error {
	if r.err != nil {
		return r.err
	}
	prunedBelow, _, _ := r.log.Bounds(context.Background())
	for _, tx := range r.log.Committed() {
		switch text, has := r.got[tx.XID]; {
		case !has:
			return fmt.Errorf("transaction %d is missing", tx.XID)
		case text != textOf(tx.Events):
			return fmt.Errorf("transaction %d is %s, not %s", tx.XID, text, textOf(tx.Events))
		}
		delete(r.got, tx.XID)
	}
	for xid := range r.got {
		if xid >= prunedBelow {
			return fmt.Errorf("transaction %d is lost, and the reader has it", xid)
		}
	}
	return nil
}

// checkSurvivors compares what the stream says about transactions after a recovery with what the log says.
func (r *reader) checkSurvivors(edge *relay.Log) {
	ctx := context.Background()
	var xids []uint64
	for _, tx := range r.log.Committed() {
		if len(xids) < 5 || r.rng.IntN(3) == 0 {
			xids = append(xids, tx.XID)
		}
	}
	found, err := edge.Survivors(ctx, xids)
	truth, _ := r.log.Survivors(ctx, xids)
	if err != nil || found.Epoch != truth.Epoch {
		return
	}
	for xid, d := range found.Transactions {
		if d != truth.Transactions[xid] && r.err == nil {
			r.err = fmt.Errorf("the stream has transaction %d as %+v, the log as %+v", xid, d, truth.Transactions[xid])
		}
	}
	r.surviving += len(found.Transactions)
}

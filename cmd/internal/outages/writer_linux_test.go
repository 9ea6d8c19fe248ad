package outages

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// writer writes in one way until its context ends. It knows which transactions certainly committed; the audit says what
// became of the others.
type writer struct {
	name string
	step func(ctx context.Context, w *writer) error // one turn
	pace time.Duration                              // between two turns
	pair *pair
	rng  *rand.Rand

	conn       *pgx.Conn
	committed  []string // transactions
	rolledBack []rollback
	number     int // of names of rows
	turns      atomic.Int64
	mu         sync.Mutex
	lastErr    error
}

// rollback is a transaction that was rolled back.
type rollback struct {
	xid string
	at  time.Time
}

// reuseLimit is how long before a crash or a failover a transaction may have been rolled back whose id PostgreSQL gives to
// another one after it: no ROLLBACK waits for a disk or a standby.
const reuseLimit = 10 * time.Second

// certainRollbacks returns the transactions that were rolled back and whose ids are not used again.
func (w *writer) certainRollbacks(crashes []period) (xids []string) {
	for _, r := range w.rolledBack {
		isReused := func(c period) bool { return r.at.After(c.from.Add(-reuseLimit)) && r.at.Before(c.to) }
		if !slices.ContainsFunc(crashes, isReused) {
			xids = append(xids, r.xid)
		}
	}
	return xids
}

// turnLimit bounds a turn: the database may be frozen.
const turnLimit = 20 * time.Second

func (w *writer) run(ctx context.Context) {
	defer w.disconnect()
	for ctx.Err() == nil {
		err := w.turn(ctx)
		if err == nil {
			w.turns.Add(1)
		} else {
			w.mu.Lock()
			w.lastErr = err
			w.mu.Unlock()
			pause(ctx, 50*time.Millisecond)
		}
		pause(ctx, w.pace/2+time.Duration(w.rng.Int64N(int64(w.pace))))
	}
}

func (w *writer) turn(ctx context.Context) error {
	// A turn that has begun goes on when the soak ends, so that few commits stay without an answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnLimit)
	defer cancel()
	if w.conn != nil && w.conn.IsClosed() {
		w.conn = nil
	}
	if w.conn == nil {
		conn, err := w.pair.connect(ctx, "app")
		if err != nil {
			return err
		}
		w.conn = conn
	}
	err := w.step(ctx, w)
	if err != nil && w.conn != nil && (ctx.Err() != nil || w.conn.PgConn().TxStatus() != 'I') {
		w.disconnect()
	}
	return err
}

func (w *writer) disconnect() {
	if w.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	w.conn.Close(ctx)
	w.conn = nil
}

// errUndo makes a transaction roll back.
var errUndo = errors.New("rolled back on purpose")

// transact runs a transaction that writes to the tables of the audit.
func (w *writer) transact(ctx context.Context, level pgx.TxIsoLevel, fill func(tx pgx.Tx) error) error {
	tx, err := w.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: level})
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	err = fill(tx)
	if err != nil && !errors.Is(err, errUndo) {
		return err
	}
	undo := err != nil
	var xid *string // nil if it wrote nothing
	if err := tx.QueryRow(ctx, `select pg_catalog.pg_current_xact_id_if_assigned()::text`).Scan(&xid); err != nil {
		return err
	}
	if undo {
		w.rolledBack = append(w.rolledBack, rollback{*xid, time.Now()})
		return tx.Rollback(ctx)
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	if xid != nil {
		w.committed = append(w.committed, *xid)
	}
	return nil
}

// newID returns a name for a row of this writer alone.
func (w *writer) newID(prefix string) string {
	w.number++
	return fmt.Sprintf("%s-%s-%d", prefix, w.name, w.number)
}

func (w *writer) shard() string { return fmt.Sprintf("s%d", w.rng.IntN(4)) }

// hot returns the name of a row that all writers share.
func (w *writer) hot() string { return fmt.Sprintf("i-%d", w.rng.IntN(hotRows)) }

const hotRows = 40

// execAll runs statements without parameters.
func execAll(ctx context.Context, tx pgx.Tx, statements ...string) error {
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// writers returns writers of every kind.
func writers(n *network, p *pair, replicas []*instance, seed uint64) (all []*writer) {
	client := &http.Client{Transport: &http.Transport{DialContext: n.dialer(hostWriters), DisableKeepAlives: true}, Timeout: 10 * time.Second}
	add := func(name string, pace time.Duration, step func(context.Context, *writer) error) {
		all = append(all, &writer{name: name, step: step, pace: pace, pair: p, rng: rand.New(rand.NewPCG(seed, uint64(len(all))))})
	}
	add("single", 30*time.Millisecond, writeSingle)
	add("single2", 50*time.Millisecond, writeSingle)
	add("churn", 80*time.Millisecond, writeChurn)
	add("bulk", 700*time.Millisecond, writeBulk)
	add("copy", 900*time.Millisecond, writeCopy)
	add("savepoints", 100*time.Millisecond, writeSavepoints)
	add("cascades", 150*time.Millisecond, writeCascades)
	add("tables", 100*time.Millisecond, writeTables)
	add("long", 200*time.Millisecond, writeLong)
	add("longer", 500*time.Millisecond, writeLonger)
	add("keys", 120*time.Millisecond, writeKeys)
	add("truncate", 120*time.Millisecond, writeScraps)
	add("serializable", 80*time.Millisecond, writeSerializable)
	add("rollbacks", 100*time.Millisecond, writeRollbacks)
	add("upserts", 80*time.Millisecond, writeUpserts)
	add("nested", 150*time.Millisecond, writeNested)
	add("psql", 800*time.Millisecond, func(ctx context.Context, w *writer) error { return writePsql(ctx, w, n) })
	add("api", 100*time.Millisecond, func(ctx context.Context, w *writer) error { return writeAPI(ctx, w, client, replicas) })
	return all
}

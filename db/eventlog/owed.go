package eventlog

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db"
)

const (
	// payInterval is the time between two resets of a table whose every write fails to give its events.
	payInterval = 10 * time.Second
	// payTimeout bounds the statement, and lastPayTimeout that of a server that ends.
	payTimeout, lastPayTimeout = 5 * time.Second, 2 * time.Second
	// payWarnInterval is the time between two log lines about payments that fail.
	payWarnInterval = time.Minute
	// maxFailing and maxFailingName bound what a Payer remembers: any role that may publish could invent resets.
	maxFailing     = 100
	maxFailingName = 300
)

// Payer writes the resets that writes owe: see pgherald.held_resets. Any number of servers may run one.
type Payer struct {
	pool                 *pgxpool.Pool
	logger               *slog.Logger
	timeout, lastTimeout time.Duration // payTimeout and lastPayTimeout, except in tests

	mu      sync.Mutex
	failing []string // since the last payment
	held    []string // since the start
}

// NewPayer returns a payer for the log in the pool's database. Run it.
func NewPayer(pool *pgxpool.Pool, logger *slog.Logger) *Payer {
	return &Payer{pool: pool, logger: logger, timeout: payTimeout, lastTimeout: lastPayTimeout}
}

// Failed notes a reset that the feed has read. If every write to the table may give one, the payer holds the table.
func (p *Payer) Failed(table, sqlState string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if strings.HasPrefix(sqlState, "42") && len(table) <= maxFailingName {
		p.failing = addFailing(p.failing, table)
		p.held = addFailing(p.held, table)
	}
}

// addFailing returns the tables with some more, each once, up to maxFailing.
func addFailing(tables []string, more ...string) []string {
	for _, table := range more {
		if len(tables) < maxFailing && !slices.Contains(tables, table) {
			tables = append(tables, table)
		}
	}
	return tables
}

// Run pays at intervals until ctx ends, then once more: this server may be the last one.
func (p *Payer) Run(ctx context.Context) {
	interval := time.NewTicker(payInterval)
	defer interval.Stop()
	var warned time.Time
	for {
		select {
		case <-interval.C:
		case <-ctx.Done():
			p.payLast(context.WithoutCancel(ctx))
			return
		}
		err := p.Pay(ctx)
		if err != nil && ctx.Err() == nil && time.Since(warned) >= payWarnInterval {
			warned = time.Now()
			p.logger.Warn("resets not paid, so clients keep old rows of tables whose events fail: grant the server what docs/privileges.md says, and see that PostgreSQL answers", "error", err)
		}
	}
}

// Pay writes what is owed, and holds the tables of which resets came since the last call. After an error, the next call holds them.
func (p *Payer) Pay(ctx context.Context) error {
	p.mu.Lock()
	failing := p.failing
	p.failing = nil
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	_, err := p.pool.Exec(ctx, `select pgherald.pay_resets($1)`, append([]string{}, failing...)) // never null
	if err != nil {
		p.mu.Lock()
		p.failing = addFailing(p.failing, failing...)
		p.mu.Unlock()
	}
	return db.Explain(err)
}

// payLast writes what is owed, and ends the holds, so that writes give their resets at once. Other servers hold the tables
// again. It does nothing if no table fails.
func (p *Payer) payLast(ctx context.Context) {
	p.mu.Lock()
	held := p.held
	p.mu.Unlock()
	if len(held) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, p.lastTimeout)
	defer cancel()
	if _, err := p.pool.Exec(ctx, `select pgherald.pay_resets($1, '0 seconds')`, held); err != nil {
		p.logger.Warn("resets not paid at the end: the next server pays them, or the next write", "error", db.Explain(err))
	}
}

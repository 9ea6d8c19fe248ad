package outages

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/outages/judge"
)

// makeStandby copies the primary and starts the copy.
func (p *pair) makeStandby(ctx context.Context) error {
	c := p.standby()
	if err := os.RemoveAll(c.dir); err != nil {
		return err
	}
	_, err := c.run(ctx, "pg_basebackup", "-D", c.dir, "-h", addresses[p.primary().host], "-U", "postgres", "-R", "-X", "stream", "-c", "fast", "--no-sync")
	if err != nil {
		return err
	}
	return c.start(ctx)
}

// switchOver makes the standby synchronous, kills the primary under load, and promotes the standby. Nothing that was
// committed is lost.
func (p *pair) switchOver(ctx context.Context) error {
	if err := p.holdCommits(ctx); err != nil {
		return err
	}
	old, next := p.primary(), p.standby()
	err := p.awaitSQL(ctx, `select count(*) = 1 from pg_catalog.pg_stat_replication where sync_state = 'sync' and state = 'streaming'`)
	if err != nil {
		return err
	}
	if err := p.awaitHeld(ctx, next); err != nil {
		return err
	}
	pause(ctx, time.Second) // commits that wait for the standby
	p.crashed(old.killAll)
	p.mu.Lock()
	p.active, p.other = next, old
	p.mu.Unlock()
	if _, err := next.run(ctx, "pg_ctl", "promote", "-D", next.dir, "-w"); err != nil {
		return err
	}
	return p.releaseCommits(ctx)
}

// holdCommits makes commits wait for the standby.
func (p *pair) holdCommits(ctx context.Context) error {
	p.held = append(p.held, judge.Window{From: time.Now()})
	return p.exec(ctx, `alter system set synchronous_standby_names = '*'`, `select pg_catalog.pg_reload_conf()`)
}

// awaitHeld freezes the standby until a commit waits for it, and then until it has everything: the setting alone does not
// say that all processes follow it already.
func (p *pair) awaitHeld(ctx context.Context, standby *cluster) error {
	conn, err := p.connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	standby.signalAll(syscall.SIGSTOP)
	var position string
	isWaiting := await(ctx, func() bool {
		var waits bool
		err = conn.QueryRow(ctx, `
select pg_catalog.pg_current_wal_insert_lsn()::text, exists (select from pg_catalog.pg_stat_activity where wait_event = 'SyncRep')`).Scan(&position, &waits)
		return waits || err != nil
	})
	standby.signalAll(syscall.SIGCONT)
	if !isWaiting || err != nil {
		return fmt.Errorf("wait until commits wait for the standby: %w", errors.Join(err, context.Cause(ctx)))
	}
	return p.awaitSQL(ctx, fmt.Sprintf(`select count(*) = 1 from pg_catalog.pg_stat_replication where flush_lsn >= '%s'`, position))
}

// releaseCommits makes commits wait no more.
func (p *pair) releaseCommits(ctx context.Context) error {
	err := p.exec(ctx, `alter system reset synchronous_standby_names`, `select pg_catalog.pg_reload_conf()`)
	p.held[len(p.held)-1].To = time.Now()
	return err
}

// crashed notes the time in which crash ends PostgreSQL.
func (p *pair) crashed(crash func()) {
	from := time.Now()
	crash()
	p.crashes = append(p.crashes, period{from, time.Now()})
}

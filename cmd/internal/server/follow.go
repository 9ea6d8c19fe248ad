package server

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/triggers"
)

// growTimeout bounds how long new columns wait for the lock of a table: the next check tries again.
const growTimeout = time.Second

// inspectWith inspects the triggers. After a change of the catalog it makes the server follow: another process may have
// applied the spec, and a table may have got columns.
func (w *watcher) inspectWith(ctx context.Context, conn *pgx.Conn) (triggers.Inspection, error) {
	w.adopt(ctx, conn)
	if w.isApplied.Swap(false) { // what clients must not see any more does not wait for the check
		w.catchUp(ctx, conn)
	}
	found, err := w.inspector.Inspect(ctx, conn)
	if err == nil && w.grow(ctx, conn, found) {
		w.inspector.Forget()
		resets := found.Reset
		found, err = w.inspector.Inspect(ctx, conn)
		found.Reset = append(resets, found.Reset...)
	}
	w.behind = w.behind || found.Checked
	if err == nil && w.behind {
		w.catchUp(ctx, conn)
	}
	return found, err
}

// catchUp makes the server show what an apply has changed. It does nothing if the server is not known to be behind and the state is
// the one that it has followed: any role may send the notification of an apply, and as often as it likes.
func (w *watcher) catchUp(ctx context.Context, conn *pgx.Conn) {
	if w.follow == nil {
		w.behind = false
		return
	}
	state, err := triggers.State(ctx, conn, w.spec) // before it follows: what changes meanwhile is a change for the next time
	if err == nil && !w.behind && state == w.followed {
		return
	}
	w.behind = true
	isCurrent := false
	if err == nil {
		isCurrent, err = w.follow(ctx, conn, w.spec)
	}
	if err != nil {
		w.logger.Warn("collections do not follow the spec, retrying at the next check", "error", err)
		return
	}
	w.behind, w.isCurrent, w.followed = false, isCurrent, state
}

// adopt replaces the spec by what its file has now, once that has been applied. A file that is being edited, or that waits
// for its apply, changes nothing.
func (w *watcher) adopt(ctx context.Context, conn *pgx.Conn) {
	if w.reload == nil {
		return
	}
	spec, _, err := w.reload()
	if err != nil {
		w.logger.Debug("spec not read again", "error", err)
		return
	}
	if spec.IsSame(w.spec) {
		return
	}
	isCurrent, err := triggers.IsCurrent(ctx, conn, spec)
	if err != nil || !isCurrent {
		w.logger.Debug("spec of the file not adopted: it is not the one that was applied", "error", err)
		return
	}
	w.logger.Info("spec adopted from its file, after its apply", "spec", spec.Name)
	w.spec, w.inspector, w.behind = spec, triggers.NewInspector(spec), true
}

// grow lets events show columns that were added to watched tables, and replaces the functions that use columns which are no
// longer there. It reports whether it has changed anything.
func (w *watcher) grow(ctx context.Context, conn *pgx.Conn, found triggers.Inspection) bool {
	isColumns := func(d triggers.Drift) bool {
		return d.Kind == triggers.KindNewColumns || d.Kind == triggers.KindCollection || d.Kind == triggers.KindDiffers
	}
	mend := w.takeBroken(found.Checked)
	isDue := found.Checked && slices.ContainsFunc(found.Drift, isColumns) // what Grow cannot change lasts
	isLeft := w.isGrowthLeft && time.Since(w.grewAt) >= w.interval
	if !w.mayGrow || !isDue && !isLeft && len(mend) == 0 {
		return false
	}
	done, err := triggers.Grow(ctx, conn, w.spec, triggers.LockTimeout(growTimeout), triggers.Mend(mend))
	w.isGrowthLeft, w.grewAt = err != nil, time.Now()
	if err != nil {
		w.logger.Warn("new columns not taken in yet: the next checks try again, or run pgherald apply", "error", err)
	}
	if len(done) > 0 {
		w.logger.Info("changed columns taken in", "changes", len(done))
	}
	return len(done) > 0
}

// maxTableName bounds the names of tables that are taken from the log, in bytes: two identifiers, quoted.
const maxTableName = 300

// maxMended bounds the tables that the watcher remembers to have mended. Beyond, it forgets them: a role that may publish could
// invent names.
const maxMended = 1000

// broken notes that each write to a table fails to give an event, because the trigger function uses a column that is no
// longer there.
func (w *watcher) broken(table string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(table) <= maxTableName && len(w.brokenTables) < maxListedDrift && !slices.Contains(w.brokenTables, table) {
		w.brokenTables = append(w.brokenTables, table)
	}
	if w.isMendDue(table) {
		w.lookSoon()
	}
}

// isMendDue reports whether the watcher has not tried to mend the table within the interval: each attempt plans the whole spec.
func (w *watcher) isMendDue(table string) bool {
	at, tried := w.mended[table]
	return !tried || time.Since(at) >= w.interval
}

// takeBroken returns the broken tables that are to be mended now: all of them if the catalog has changed. The others wait.
func (w *watcher) takeBroken(hasChanged bool) (due []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var later []string
	for _, table := range w.brokenTables {
		if hasChanged || w.isMendDue(table) {
			due = append(due, table)
		} else {
			later = append(later, table)
		}
	}
	maps.DeleteFunc(w.mended, func(table string, _ time.Time) bool { return w.isMendDue(table) })
	if len(w.mended) > maxMended {
		clear(w.mended)
	}
	for _, table := range due {
		w.mended[table] = time.Now()
	}
	w.brokenTables = later
	return due
}

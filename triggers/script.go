package triggers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// SQL returns a script for psql that does what Apply does, in one transaction, whatever is installed now. It
// validates the spec, and changes nothing. The script does not try again: it fails if a table is in use.
func SQL(ctx context.Context, conn *pgx.Conn, spec Spec, opts ...Option) (string, error) {
	var script string
	o := newOptions(opts)
	err := rolledBack(ctx, conn, func(tx pgx.Tx) (err error) {
		script, err = generateScript(ctx, tx, spec, o)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("generate triggers: %w", err)
	}
	return script, nil
}

func generateScript(ctx context.Context, tx pgx.Tx, spec Spec, o options) (string, error) {
	p, err := loadPlan(ctx, tx, spec, o)
	if err != nil {
		return "", err
	}
	locks, _, err := findTables(ctx, tx, p.scriptLocks())
	if err != nil {
		return "", err
	}
	rights, err := p.scriptRights(ctx, tx)
	if err != nil {
		return "", err
	}
	var b script
	b.WriteString(scriptHead(spec))
	b.start()
	b.section("The functions need no lock.")
	b.add(strings.Join(p.want.functionSQL(p.found.writer), ";\n\n"))
	if len(rights) > 0 {
		b.section("What the functions may read: they belong to " + writerRole + ".")
		b.add(rights...)
	}
	b.locks(locks)
	b.section("The triggers.")
	b.changes(staleTriggers(p.want, p.own))
	b.add(strings.Join(p.want.triggerSQL(), ";\n\n"))
	b.changes(staleFunctions(p.want, p.own))
	if filters := recordFilters(p.spec.Name, p.tables, p.found); len(filters) > 0 {
		b.section("Since when the log has the former values of filter fields.")
		b.changes(filters)
	}
	if resets := append(removals(p.want, p.own), resets(p.spec, p.tables, p.own, p.known)...); len(resets) > 0 {
		b.section("Clients may have missed events of these tables.")
		b.changes(resets)
	}
	b.section("Whose they are.")
	b.changes(p.records(true))
	b.end()
	return b.String(), nil
}

func scriptHead(spec Spec) string {
	return fmt.Sprintf(`-- The triggers of %s, as pgherald apply installs them. Run this with
--     psql --set ON_ERROR_STOP=1 --file FILE
-- If it ends with "canceling statement due to" a timeout, a table was in use and nothing has changed: run it again.

begin;
`, spec.label())
}

// Difference returns the part of [SQL] that is due: a script of the changes that Apply would make now. It is empty if there
// are none.
func Difference(ctx context.Context, conn *pgx.Conn, spec Spec, opts ...Option) (string, error) {
	var text string
	o := newOptions(opts)
	err := rolledBack(ctx, conn, func(tx pgx.Tx) error {
		p, err := loadPlan(ctx, tx, spec, o)
		if err != nil {
			return err
		}
		changes, err := p.allChanges(ctx, tx)
		if err == nil {
			changes, err = withGrants(ctx, tx, p.tables, p.own, changes)
		}
		if err != nil || len(changes) == 0 {
			return err
		}
		locks, _, err := findTables(ctx, tx, neededLocks(changes))
		text = difference(p.spec, changes, locks)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("plan triggers: %w", err)
	}
	return text, nil
}

// difference generates a script of changes. It locks the tables before the first change of one, as Apply does.
func difference(spec Spec, changes []change, locks []tableLock) string {
	var b script
	b.WriteString(scriptHead(spec))
	b.start()
	locked := len(locks) == 0
	for _, c := range changes {
		if c.table != (Name{}) && !locked {
			b.locks(locks)
			locked = true
		}
		b.section(strings.ToUpper(c.action[:1]) + c.action[1:] + ".")
		b.add(c.sql...)
	}
	b.end()
	return b.String()
}

// start generates what precedes every change.
func (b *script) start() {
	for _, s := range allSettings() {
		b.add("set local " + s.name + " = " + s.value)
	}
	b.add(fmt.Sprintf("set local lock_timeout = '%dms'", lockWait.Milliseconds()))
	b.section("Another change of triggers must not run at the same time.")
	b.add(lockSQL)
}

// end tells the servers, and commits.
func (b *script) end() {
	b.section("Servers look at what has changed.")
	b.add(announceSQL)
	b.WriteString("\ncommit;\n")
}

func (b *script) locks(locks []tableLock) {
	b.section("All tables at once, or none: writers wait behind this.")
	b.add(fmt.Sprintf("set local statement_timeout = '%dms'", lockWait/time.Millisecond), lockAll(locks), "set local statement_timeout = default")
}

// scriptLocks returns the locks for all tables of the script. A reader waits only if there is a trigger to drop.
func (p specPlan) scriptLocks() []tableLock {
	changes := staleTriggers(p.want, p.own)
	for _, t := range p.want.triggers {
		_, installed := p.own.trigger(t.table, t.name())
		changes = append(changes, change{table: t.table, exclusive: installed})
	}
	return neededLocks(changes)
}

// script is a text of statements.
type script struct{ strings.Builder }

func (b *script) section(comment string) { b.WriteString("\n-- " + comment + "\n") }

func (b *script) add(statements ...string) {
	for _, sql := range statements {
		b.WriteString(sql + ";\n")
	}
}

func (b *script) changes(changes []change) {
	for _, c := range changes {
		b.add(c.sql...)
	}
}

// scriptRights generates the statements that give writerRole the rights which the functions need, and record them. There
// are none where the role is not in use.
func (p specPlan) scriptRights(ctx context.Context, tx pgx.Tx) ([]string, error) {
	if !p.found.writer.inUse {
		return nil, nil
	}
	needs := make(map[string][]need)
	for _, r := range p.tables {
		all, err := rightsOf(ctx, tx, r)
		if err != nil {
			return nil, err
		}
		maps.Copy(needs, all)
	}
	added, err := grantsFor(ctx, tx, needs)
	if err != nil {
		return nil, err
	}
	var sql []string
	for _, g := range added {
		if text := g.grant(); (!g.has || g.direct) && !slices.Contains(sql, text) {
			sql = append(sql, text)
		}
	}
	var gone []string
	for _, c := range staleFunctions(p.want, p.own) {
		gone = append(gone, c.dropped)
	}
	return append(sql, recordSQL(added, needs, gone)...), nil
}

package triggers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Expand replaces the patterns of a spec by the tables that the catalog has now, and says what it leaves out. It needs
// no log in the database.
func Expand(ctx context.Context, conn *pgx.Conn, spec Spec) (Spec, []Note, error) {
	var e expansion
	err := readOnly(ctx, conn, func(tx pgx.Tx) (err error) {
		if e, err = expand(ctx, tx, spec); err != nil {
			return err
		}
		return nameFilters(ctx, tx, e.spec)
	})
	if err == nil {
		err = errors.Join(e.mistakes...)
	}
	if err != nil {
		return Spec{}, nil, fmt.Errorf("look for the tables of the spec: %w", err)
	}
	return e.spec, e.notes, nil
}

// expansion is a spec without patterns.
type expansion struct {
	spec  Spec
	notes []Note
	// mistakes are patterns and exclusions that match nothing.
	mistakes []error
}

// isSettled reports that the spec says everything about its tables.
func (s Spec) isSettled() bool {
	return len(s.Patterns) == 0 && !slices.ContainsFunc(s.Tables, func(t Table) bool { return t.DefaultEvents || !t.Columns.isZero() })
}

// expand looks up what the spec leaves to the catalog.
func expand(ctx context.Context, tx pgx.Tx, spec Spec) (expansion, error) {
	if spec.source != "" || spec.isSettled() {
		return expansion{spec: spec}, nil
	}
	candidates, err := loadCandidates(ctx, tx, spec.mentions)
	if err != nil {
		return expansion{}, err
	}
	e := expansion{spec: Spec{Name: spec.Name, Version: spec.Version, source: spec.hash()}}
	byName := map[Name]*candidate{}
	for _, c := range candidates {
		byName[c.name] = c
	}
	for _, t := range spec.Tables {
		if c, ok := byName[t.Name]; ok {
			t = e.fitListed(t, c)
		}
		e.spec.Tables = append(e.spec.Tables, t)
	}
	for _, p := range spec.Patterns {
		e.match(spec, p, candidates)
	}
	e.dropCovered(byName)
	e.nameEvents()
	return e, nil
}

// mentions reports whether the spec says anything about a table.
func (s Spec) mentions(name Name) bool {
	return s.lists(name) || slices.ContainsFunc(s.Patterns, func(p Pattern) bool {
		return p.Match.matches(name) || slices.ContainsFunc(p.Exclude, func(x NamePattern) bool { return x.matches(name) })
	})
}

// match adds the tables of a pattern.
func (e *expansion) match(spec Spec, p Pattern, candidates []*candidate) {
	e.checkExclusions(p, candidates)
	var columns []string
	matched := false
	for _, c := range candidates {
		if !p.watches(c.name) {
			continue
		}
		matched = true
		columns = append(columns, c.columns...)
		if spec.lists(c.name) || e.spec.lists(c.name) || slices.ContainsFunc(e.notes, func(n Note) bool { return n.Skipped && n.Table == c.name }) {
			continue
		}
		if t, ok := e.fitMatched(p, c); ok {
			e.spec.Tables = append(e.spec.Tables, t)
		}
	}
	if !matched {
		e.mistakes = append(e.mistakes, fmt.Errorf("%s matches no table that can be watched", p.Match))
		return
	}
	if err := p.Table.Columns.unknownColumn(columns); err != nil {
		e.mistakes = append(e.mistakes, fmt.Errorf("tables %s, %w", p.Match, err))
	}
}

// checkExclusions reports each exclusion of a single table that does not exist. It may be misspelt, and would show what
// it should hide.
func (e *expansion) checkExclusions(p Pattern, candidates []*candidate) {
	for _, x := range p.Exclude {
		name, single := x.name()
		if single && !slices.ContainsFunc(candidates, func(c *candidate) bool { return c.name == name }) {
			e.mistakes = append(e.mistakes, fmt.Errorf("%s excludes %s, and there is no such table", p.Match, x))
		}
	}
}

// dropCovered leaves out each table that a pattern chose and that inherits from one other watched table: that one's
// events include its rows. One that inherits from several keeps its own events.
func (e *expansion) dropCovered(byName map[Name]*candidate) {
	all := e.spec
	e.spec.Tables = slices.DeleteFunc(slices.Clone(all.Tables), func(t Table) bool {
		if t.pattern == "" {
			return false
		}
		var watched []string
		for _, parent := range byName[t.Name].parents {
			if all.lists(parent) {
				watched = append(watched, parent.String())
			}
		}
		if len(watched) > 1 {
			e.note(t.Name, strings.Join(watched, ", "), "inherits from several watched tables (%s): it has events of its own, and their lists and events leave out its rows")
		}
		return len(watched) == 1
	})
	e.notes = slices.DeleteFunc(e.notes, func(n Note) bool { return !n.Skipped && !e.spec.lists(n.Table) })
}

// nameEvents replaces the placeholder of the types by the names of the tables.
func (e *expansion) nameEvents() {
	labels := labelTables(e.spec.Tables)
	for i, t := range e.spec.Tables {
		label := labels[t.Name]
		if slices.ContainsFunc(t.types(), func(typ string) bool { return isReserved(strings.ReplaceAll(typ, placeholder, label)) }) {
			label = longLabel(t.Name)
		}
		rename := func(events []Event) []Event {
			events = slices.Clone(events)
			for i := range events {
				events[i].Type = strings.ReplaceAll(events[i].Type, placeholder, label)
			}
			return events
		}
		t.Insert, t.Update, t.Delete = rename(t.Insert), rename(t.Update), rename(t.Delete)
		t.Truncate.Type = strings.ReplaceAll(t.Truncate.Type, placeholder, label)
		t.Collection = strings.ReplaceAll(t.Collection, placeholder, label)
		e.spec.Tables[i] = t
	}
}

// withoutUnwatchable leaves out the tables of patterns that cannot be watched, with a note about each.
func (e *expansion) withoutUnwatchable(tables []resolved) []resolved {
	return slices.DeleteFunc(tables, func(r resolved) bool {
		if r.table.pattern == "" || len(r.mistakes) == 0 || r.mistakes[0].kind == KindExpression {
			return false
		}
		reason := strings.TrimPrefix(r.mistakes[0].err.Error(), "table "+r.table.Name.String()+": ")
		e.skip(r.table.Name, "%s", reason)
		return true
	})
}

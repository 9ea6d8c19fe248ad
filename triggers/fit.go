package triggers

import (
	"fmt"
	"strings"
)

// fitListed decides what a listed table leaves to the catalog. A mistake becomes one of the table, so that it is not
// watched with columns that the spec meant to hide.
func (e *expansion) fitListed(t Table, c *candidate) Table {
	t, err := e.fit(t, c)
	if err != nil {
		t.broken = err
	} else if err := t.Columns.unknownColumn(c.columns); err != nil {
		t.broken = err
	}
	return t
}

// fitMatched returns what a pattern makes of a table. ok is false if it cannot be watched.
func (e *expansion) fitMatched(p Pattern, c *candidate) (t Table, ok bool) {
	t = p.Table
	t.Name, t.pattern, t.Columns = c.name, p.Match.String(), t.Columns.of(c.columns)
	switch {
	case c.foreign != "":
		e.skip(c.name, "its child %s is a foreign table, whose rows change without triggers", c.foreign)
		return t, false
	case !c.mayTrigger:
		e.skip(c.name, "this role needs TRIGGER and SELECT on it, and USAGE on its schema")
		return t, false
	case c.rowSecurity && len(t.publicTypes()) > 0:
		e.skip(c.name, "it has row-level security, which does not apply to events: give it an audience in a spec")
		return t, false
	}
	t, err := e.fit(t, c)
	if err != nil {
		e.skip(c.name, "%v", err)
		return t, false
	}
	return t, true
}

// fit chooses the key, the operations and the columns of a table.
func (e *expansion) fit(t Table, c *candidate) (Table, error) {
	t, err := e.fitKey(t, c)
	if err != nil {
		return t, err
	}
	t = e.fitCollection(t, c)
	if !t.Columns.mayHide() && !c.virtual {
		return t, nil
	}
	chosen, err := t.Columns.choose(c.columns)
	if err != nil {
		return t, err
	}
	if len(chosen.sensitive) > 0 {
		e.note(t.Name, columnList(chosen.sensitive), "keeps %s out of its events: the name looks sensitive")
	}
	// The columns are named also where the table has none to leave out: to_json(n.*) would show one that is added later.
	t.isNamed = true
	return t.withColumns(chosen.kept), nil
}

// fitKey chooses the key of a table whose spec names none: the primary key, or else the first unique index without
// nulls. It does not choose columns that look sensitive, because every event shows the key.
func (e *expansion) fitKey(t Table, c *candidate) (Table, error) {
	if len(t.Key) > 0 || !t.needsKey() || !t.DefaultEvents && t.pattern == "" {
		return t, nil
	}
	var hidden []string
	for _, index := range c.indexes {
		if len(index.nullable) > 0 {
			continue
		}
		if chosen, err := t.Columns.choose(index.columns); t.Columns.Cautious && (err != nil || len(chosen.sensitive) > 0) {
			hidden = append(hidden, index.columns...)
			continue
		}
		if !index.primary {
			t.Key = index.columns
			e.note(t.Name, columnList(index.columns), "has the key (%s), from a unique index: it has no primary key that can be shown")
		}
		return t, nil
	}
	isCollection := t.Collection != "" && !t.isOffered && t.pattern == ""
	switch {
	case isCollection:
		return t, errNoKey
	case len(hidden) > 0:
		return t, fmt.Errorf("its key (%s) looks sensitive, and every event shows the key: list the table in a spec, with columns: { include: [%s] }", columnList(hidden), columnList(hidden))
	case !t.DefaultEvents:
		return t, errNoKey
	}
	e.note(t.Name, "", "is watched for inserts only, without keys: it has neither a primary key nor a unique index without nulls")
	t.Update, t.Delete, t.Truncate = nil, nil, Truncate{}
	return t, nil
}

// fitCollection leaves the collection out where the table cannot be one, unless the spec names it.
func (e *expansion) fitCollection(t Table, c *candidate) Table {
	if t.Collection == "" || t.pattern == "" && !t.isOffered {
		return t
	}
	reason := c.unlisted
	if err := t.checkCollection(); err != nil {
		_, reason, _ = strings.Cut(err.Error(), ": ")
	}
	if reason == "" {
		return t
	}
	if t.needsKey() { // otherwise there is a note about the missing key
		e.note(t.Name, "", "is no collection: %s", reason)
	}
	return t.withoutCollection()
}

func columnList(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quoteIdent(name)
	}
	return strings.Join(quoted, ", ")
}

// withDefaultEvents watches everything, with types that begin with the name of the table.
func (t Table) withDefaultEvents(inherited Event) Table {
	event := func(suffix string) []Event {
		e := inherited
		e.Type = placeholder + suffix
		return []Event{e}
	}
	t.DefaultEvents = true
	t.Insert, t.Update, t.Delete = event("_created"), event("_updated"), event("_deleted")
	t.Truncate.Type = truncatedType
	return t
}

// types returns the types of all events of the table.
func (t Table) types() []string {
	types := []string{t.Truncate.Type}
	for _, e := range t.RowEvents() {
		types = append(types, e.Type)
	}
	return types
}

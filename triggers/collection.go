package triggers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A collection needs events from which a client can keep rows: each write gives one event, whose type says what the
// write did, and inserts and updates show the whole row. The functions of this file check what the spec alone shows;
// kinds.go checks the columns.

// isCollectionName accepts the names of collections, which stand in URLs.
func isCollectionName(text string) bool { return isEventType(text) && !strings.Contains(text, ":") }

// offered returns the table with a collection that has its name, and with all filter fields.
func (t Table) offered() Table {
	t.Collection, t.FilterAll, t.isOffered = placeholder, true, true
	return t
}

// withoutCollection returns the table as one that is no collection.
func (t Table) withoutCollection() Table {
	t.Collection, t.Row, t.Filter, t.FilterAll = "", nil, nil, false
	return t
}

// checkCollection returns an error that says why the events of a table make no collection, and what to do.
func (t Table) checkCollection() error {
	for _, op := range []string{opInsert, opUpdate, opDelete} {
		events := t.events(op)
		switch {
		case len(events) == 0:
			return fmt.Errorf("collection %s: %ss give no event, and clients would not learn of them: add an event under on: %s", t.Collection, op, op)
		case len(events) > 1:
			return fmt.Errorf("collection %s: an %s gives %d events: keep one, and write the others with a trigger of your own", t.Collection, op, len(events))
		}
		if err := events[0].checkInCollection(op); err != nil {
			return fmt.Errorf("collection %s: %w", t.Collection, err)
		}
	}
	for _, check := range []func() error{t.checkTypes, t.checkJoins, t.checkAudiences, t.checkRow} {
		if err := check(); err != nil {
			return fmt.Errorf("collection %s: %w", t.Collection, err)
		}
	}
	return nil
}

func (e Event) checkInCollection(op string) error {
	switch {
	case e.When != "":
		return fmt.Errorf("the event of an %s has a condition (when), so that some writes would give none: remove it", op)
	case e.Key != "":
		return fmt.Errorf("the event of an %s has a key of its own: name the columns under key of the table", op)
	case hasWordO(e.Audience):
		return errors.New("the audience looks at o, which a list of rows does not have: leave it out, " +
			"because clients that lose a row by an update learn that without it")
	}
	return nil
}

// checkTypes makes sure that the type of an event says what happened to the row.
func (t Table) checkTypes() error {
	insert, update, remove := t.Insert[0].Type, t.Update[0].Type, t.Delete[0].Type
	if insert == update || insert == remove || update == remove {
		return errors.New("the events of an insert, an update and a delete have the same type, and clients tell them apart by it: choose different ones")
	}
	return nil
}

// checkJoins refuses joins that drop rows: a list would not have these rows either, and a change that makes a row
// match would come as an update of a row that the client does not have.
func (t Table) checkJoins() error {
	for _, j := range t.Joins {
		if !j.Left {
			return errors.New("a join drops rows without a match: use left_join")
		}
		if hasWordO(j.SQL) {
			return errors.New("a join looks at o, which a list of rows does not have: use n")
		}
	}
	return nil
}

func (t Table) checkAudiences() error {
	if t.Insert[0].Audience != t.Update[0].Audience || t.Update[0].Audience != t.Delete[0].Audience {
		return errors.New("its events have different audiences, and a list has one: give the table one audience")
	}
	return nil
}

// checkRow makes sure that inserts and updates show the same row.
func (t Table) checkRow() error {
	if len(t.Row) == 0 {
		if !slices.Equal(t.Insert[0].Payload, t.Update[0].Payload) || !slices.Equal(t.Update[0].Payload, t.Delete[0].Payload) {
			return errors.New("its events have different payloads: name the fields that are the row under row")
		}
	}
	fields := t.Update[0].Payload
	for _, name := range t.Row {
		field, ok := findField(fields, name)
		if other, found := findField(t.Insert[0].Payload, name); len(fields) > 0 && (!ok || !found || other != field) {
			return fmt.Errorf("row: the field %q must be the same in the payloads of inserts and updates", name)
		}
		if hasWordO(field.SQL) {
			return fmt.Errorf("row: the field %q looks at o, which a list of rows does not have: use n, or leave the field out of row", name)
		}
	}
	for _, f := range fields {
		if len(t.Row) == 0 && hasWordO(f.SQL) {
			return fmt.Errorf("the field %q of its payload looks at o, which a list of rows does not have: use n, or name the fields that are the row under row", f.Name)
		}
	}
	return t.checkFilter(fields)
}

// checkFilter looks at the filter fields, as far as the spec shows the fields of the row.
func (t Table) checkFilter(fields []Field) error {
	for _, name := range t.Filter {
		if len(t.Row) > 0 && !slices.Contains(t.Row, name) {
			return fmt.Errorf("filter: the field %q is not in row: add it there, or leave it out of filter", name)
		}
		field, ok := findField(fields, name)
		if len(fields) > 0 && !ok {
			return fmt.Errorf("filter: the payload has no field %q", name)
		}
		if len(fields) > 0 {
			if row, _, plain := plainColumn(field.SQL); !plain || row != "n" {
				return notPlain(name)
			}
		}
	}
	return nil
}

func notPlain(field string) error {
	return fmt.Errorf("filter: the field %q is not a column of the table, such as n.status: only columns can be filtered, "+
		"because an index must find them, so leave it out of filter or store it in a column", field)
}

func findField(fields []Field, name string) (Field, bool) {
	at := slices.IndexFunc(fields, func(f Field) bool { return f.Name == name })
	if at < 0 {
		return Field{}, false
	}
	return fields[at], true
}

// collectionMistakes returns why a table cannot be the collection that its spec makes of it.
func collectionMistakes(t Table, rel relation) []error {
	if t.Collection == "" {
		return nil
	}
	if err := t.checkCollection(); err != nil {
		return []error{err}
	}
	var mistakes []error
	if len(rel.key) == 0 {
		mistakes = append(mistakes, fmt.Errorf("collection %s: %w", t.Collection, errNoKey))
	}
	for _, name := range t.Row {
		if _, ok := findField(t.rowFields(rel), name); !ok {
			mistakes = append(mistakes, fmt.Errorf("collection %s: row: the table has no column %s", t.Collection, quoteIdent(name)))
		}
	}
	_, others := t.filterFields(rel)
	for _, err := range others {
		mistakes = append(mistakes, fmt.Errorf("collection %s: %w", t.Collection, err))
	}
	return mistakes
}

// types of a collection's events.
func (t Table) collectionTypes() []string {
	return []string{t.Insert[0].Type, t.Update[0].Type, t.Delete[0].Type}
}

// refuseSharedTypes refuses a collection with the name of another one, or with the type of an event of another one,
// and tables whose events have the types of a collection without showing its rows.
func refuseSharedTypes(tables []resolved) {
	byName, byType := map[string]Table{}, map[string]Table{}
	for i, r := range tables {
		t := r.table
		if t.Collection == "" || t.checkCollection() != nil {
			continue
		}
		if other, ok := byName[t.Collection]; ok {
			tables[i].addMistake("tables %s and %s have the same collection %s: name them differently", other.Name, t.Name, t.Collection)
			continue
		}
		byName[t.Collection] = t
		for _, eventType := range t.collectionTypes() {
			if other, ok := byType[eventType]; ok {
				tables[i].addMistake("the events of type %s belong to the collections %s and %s: give them different types", eventType, other.Collection, t.Collection)
				break
			}
			byType[eventType] = t
		}
	}
	for i, r := range tables {
		for _, e := range r.table.RowEvents() {
			owner, ok := byType[e.Type]
			if ok && owner.Name != r.table.Name && e.Type != owner.Delete[0].Type {
				tables[i].refuseOtherRow(e, owner)
			}
		}
	}
}

// refuseOtherRow refuses an event of another table that has the type of a collection and not its fields.
func (r *resolved) refuseOtherRow(e Event, owner Table) {
	fields := owner.Row
	if len(fields) == 0 {
		for _, f := range owner.Update[0].Payload {
			fields = append(fields, f.Name)
		}
	}
	for _, name := range fields {
		if _, ok := findField(e.Payload, name); !ok {
			r.addMistake("an event of type %s belongs to the collection %s, and its payload lacks the field %q of a row: add it, or choose another type",
				e.Type, owner.Collection, name)
			return
		}
	}
	if len(fields) == 0 {
		r.addMistake("an event of type %s belongs to the collection %s of table %s, whose rows are all its columns: choose another type",
			e.Type, owner.Collection, owner.Name)
	}
}

func (r *resolved) addMistake(format string, args ...any) {
	r.mistakes = append(r.mistakes, mistake{KindCollection, fmt.Errorf("table %s: %w", r.table.Name, fmt.Errorf(format, args...))})
}

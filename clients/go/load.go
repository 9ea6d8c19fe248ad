package pgherald

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// loading holds what was loaded.
type loading struct {
	described *Description
	at        time.Time
	rows      map[string]json.RawMessage // by key; nil if there is a window
	window    *window                    // of a query with an order or a limit
	cursor    string                     // of the first page: what was written after it comes as events
	snapshot  snapshot                   // of the first page
	later     map[string]snapshot        // by key, for rows of other snapshots than the first page's
	isField   map[string]bool
}

// contains reports whether the rows show what an event says, or something newer.
func (l *loading) contains(e *Event) bool {
	return l.snapshot.contains(e.Xid) || l.later[e.Key].contains(e.Xid)
}

// without returns the events that are not in the rows already. To apply the others would undo what is newer.
func (l *loading) without(events []*Event) []*Event {
	if !slices.ContainsFunc(events, l.contains) {
		return events
	}
	return slices.DeleteFunc(slices.Clone(events), l.contains)
}

// listed is a row of a list as the pages have it.
type listed struct {
	key     string
	row     json.RawMessage // nil if it is too large for a list
	isMoved bool            // it comes again, in a later state
}

// errNoBound makes retried load again: all rows that were loaded are gone, but the list goes on after them.
var errNoBound = errors.New("load the rows: those of the first page are gone")

// load reads the pages. A row that moved between two pages comes twice; the later state counts.
func (c *Collection) load(ctx context.Context) (*loading, error) {
	c.setStale(true)
	l, err := c.describe(ctx)
	if err != nil {
		return nil, err
	}
	rows, goesOn, err := c.loadPages(ctx, l)
	if err != nil {
		return nil, err
	}
	isOversized := make(map[string]bool)
	for i, row := range rows {
		if row.row != nil {
			continue
		}
		isOversized[row.key] = true
		if rows[i].row, err = c.client.Row(ctx, c.name, row.key); err != nil {
			return nil, err
		}
	}
	rows = slices.DeleteFunc(rows, func(row listed) bool { return row.row == nil }) // deleted meanwhile
	if c.query.isSet() {
		for _, row := range rows {
			l.rows[row.key] = row.row
		}
	} else if goesOn && len(rows) == 0 {
		return nil, errNoBound
	} else {
		l.window = c.newWindow(l.described, rows, goesOn, isOversized)
	}
	l.at = time.Now()
	return l, nil
}

// newWindow returns the window of the rows of a list.
func (c *Collection) newWindow(d *Description, rows []listed, goesOn bool, isOversized map[string]bool) *window {
	order := newRowOrder(c.query.Order, d)
	entries := make([]*entry, len(rows))
	var bound *entry
	for i, row := range rows {
		entries[i] = order.entry(row.key, row.row)
		// A row that was loaded by its key may have another place by now.
		if goesOn && (bound == nil || !isOversized[row.key]) {
			bound = entries[i]
		}
	}
	return newWindow(order, c.query.Limit, entries, bound)
}

// loadPages reads as many pages as the query needs. It reports whether the list goes on.
func (c *Collection) loadPages(ctx context.Context, l *loading) ([]listed, bool, error) {
	var rows []listed
	at := make(map[string]int) // in rows, by key
	size := windowSize(c.query.Limit)
	first := ""
	for after := ""; ; {
		page, err := c.client.List(ctx, c.name, ListOptions{Query: c.query.page(size - len(at)), After: after})
		if err != nil {
			return nil, false, err
		}
		if l.cursor == "" {
			l.cursor, l.snapshot, first = page.Cursor, parseSnapshot(page.Snapshot), page.Snapshot
		}
		for i, key := range page.Keys {
			if before, ok := at[key]; ok {
				rows[before].isMoved = true
				delete(at, key)
			}
			if slices.Contains(page.Unreadable, key) { // nor can it be read by its key
				continue
			}
			at[key] = len(rows)
			rows = append(rows, listed{key: key, row: present(page.Rows[i])})
			if page.Snapshot != first {
				l.later[key] = parseSnapshot(page.Snapshot)
			}
		}
		if after = page.Next; after == "" || (size > 0 && len(at) >= size) {
			return slices.DeleteFunc(rows, func(row listed) bool { return row.isMoved }), after != "", nil
		}
	}
}

// present returns nil for a row that is too large for a list.
func present(row json.RawMessage) json.RawMessage {
	if isNull(row) {
		return nil
	}
	return row
}

func isNull(row json.RawMessage) bool { return string(row) == "null" }

// describe reads which columns the collection has now: another spec may have been applied.
func (c *Collection) describe(ctx context.Context) (*loading, error) {
	all, err := c.client.Collections(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Name != c.name {
			continue
		}
		l := &loading{
			described: &all[i],
			rows:      make(map[string]json.RawMessage),
			later:     make(map[string]snapshot),
			isField:   make(map[string]bool),
		}
		for _, field := range all[i].Fields {
			l.isField[field.Name] = true
		}
		return l, nil
	}
	return nil, permanentError{fmt.Errorf("load the collection %q: the server has none with this name", c.name)}
}

// fetch loads a row whose event came without its data; nil if the query selects no row with this key. It returns
// errReload if the filter cannot ask for a key.
func (c *Collection) fetch(ctx context.Context, l *loading, key string) (json.RawMessage, error) {
	if len(c.query.Where) == 0 && len(c.query.Any) == 0 {
		return c.client.Row(ctx, c.name, key)
	}
	parts, err := keyParts(l.described, key)
	if err != nil {
		return nil, err
	}
	where := maps.Clone(c.query.Where)
	if where == nil {
		where = make(Where)
	}
	for i, column := range l.described.Key {
		where[column] = append(slices.Clone(where[column]), "eq."+parts[i])
	}
	page, err := c.client.List(ctx, c.name, ListOptions{Query: Query{Where: where, Any: c.query.Any, Limit: 1}})
	switch {
	case err != nil:
		return nil, err
	case len(page.Keys) == 0 || page.Keys[0] != key:
		return nil, nil
	case isNull(page.Rows[0]):
		return c.client.Row(ctx, c.name, key)
	default:
		return page.Rows[0], nil
	}
}

// errNoKeyFilter makes retried give up.
var errNoKeyFilter = permanentError{errors.Join(errReload, errors.New("the key is no filter field"))}

// keyParts returns the values of a key as texts. That of several columns is a JSON array.
func keyParts(d *Description, key string) ([]string, error) {
	for _, column := range d.Key {
		if d.filterField(column) == nil {
			return nil, errNoKeyFilter
		}
	}
	parts := splitKey(key, len(d.Key))
	if len(parts) != len(d.Key) {
		return nil, errNoKeyFilter
	}
	texts := make([]string, len(parts))
	for i, part := range parts {
		if json.Unmarshal(part, &texts[i]) != nil {
			texts[i] = string(part)
		}
	}
	return texts, nil
}

package pgherald

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// rowState holds what events say about a row.
type rowState struct {
	row       json.RawMessage // nil: there is no such row
	isMissing bool            // the row must be loaded
}

// statesAfter returns the state of each row that the events of a transaction concern. It returns errReload if they
// do not say which rows these are.
func statesAfter(events []*Event, isField map[string]bool) (map[string]rowState, error) {
	states := make(map[string]rowState)
	for _, e := range events {
		key := e.Key
		if e.Op == OpReset {
			key = resetKey(e)
		}
		switch {
		case e.Op == "": // of a later version
		case key == "":
			return nil, errReload
		case e.Op == OpDelete:
			states[key] = rowState{}
		case e.Op == OpReset, e.Data == nil:
			states[key] = rowState{isMissing: true}
		default:
			row, err := rowOf(e.Data, isField)
			if err != nil {
				return nil, err
			}
			states[key] = rowState{row: row}
		}
	}
	return states, nil
}

// resetKey returns the key of the only row to load again, or nothing if all rows must be.
func resetKey(e *Event) string {
	var data struct{ Key string }
	if e.Collection == "" || json.Unmarshal(e.Data, &data) != nil {
		return ""
	}
	return data.Key
}

// rowOf returns the row in the data of an event, which may have further members. It keeps the bytes of the members.
func rowOf(data json.RawMessage, isField map[string]bool) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, fmt.Errorf("read the row of an event: %w", err)
	}
	if len(isField) == 0 || len(members) <= len(isField) {
		return data, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	row := []byte{'{'}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		field, ok := name.(string)
		if ok && isField[field] {
			if len(row) > 1 {
				row = append(row, ',')
			}
			quoted, _ := json.Marshal(field)
			row = append(append(append(row, quoted...), ':'), members[field]...)
		}
		var skipped json.RawMessage
		if err := decoder.Decode(&skipped); err != nil {
			return nil, err
		}
	}
	return append(row, '}'), nil
}

func xidsOf(events []*Event) []string {
	var xids []string
	for _, e := range events {
		if e.Xid != "" && !slices.Contains(xids, e.Xid) {
			xids = append(xids, e.Xid)
		}
	}
	return xids
}

// apply changes the rows of a set, and returns what differs.
func (c *Collection) apply(states map[string]rowState) *Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	change := &Change{Put: make(map[string]json.RawMessage), Stale: c.isStale}
	for key, state := range states {
		_, exists := c.rows[key]
		switch {
		case state.row != nil:
			c.rows[key], change.Put[key] = state.row, state.row
		case exists:
			delete(c.rows, key)
			change.Deleted = append(change.Deleted, key)
		}
	}
	slices.Sort(change.Deleted)
	return change
}

// show shows the rows of a load, or of its window, and returns what differs from those before.
func (c *Collection) show(l *loading) *Change {
	rows, keys := l.rows, []string(nil)
	if l.window != nil {
		shown := l.window.shown()
		rows, keys = make(map[string]json.RawMessage, len(shown)), make([]string, len(shown))
		for i, e := range shown {
			rows[e.key], keys[i] = e.row, e.key
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	change := &Change{Put: make(map[string]json.RawMessage), Stale: c.isStale}
	for key, row := range rows {
		if before, ok := c.rows[key]; !ok || !bytes.Equal(before, row) {
			change.Put[key] = row
		}
	}
	for key := range c.rows {
		if _, ok := rows[key]; !ok {
			change.Deleted = append(change.Deleted, key)
		}
	}
	slices.Sort(change.Deleted)
	c.rows, c.keys, c.hasMore = rows, keys, l.window != nil && l.window.hasMore()
	return change
}

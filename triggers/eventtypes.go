package triggers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream/collection"
)

// An EventType is a type of the events of a spec.
type EventType struct {
	Type string
	// Fields are the members of the data, sorted by name. If several events have the type, they are those that all of
	// these have. nil says that they are not known.
	Fields []collection.Field
}

// EventTypes returns the types of the events that the spec's tables give, sorted by type, except those whose data is the row
// of a collection. It leaves out tables that are not as the spec says.
func EventTypes(ctx context.Context, conn *pgx.Conn, spec Spec) ([]EventType, error) {
	var list []EventType
	err := readOnly(ctx, conn, func(tx pgx.Tx) error {
		all, err := expand(ctx, tx, spec)
		if err == nil {
			list, err = loadEventTypes(ctx, tx, all.spec)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("describe the events: %w", err)
	}
	return list, nil
}

func loadEventTypes(ctx context.Context, tx pgx.Tx, spec Spec) ([]EventType, error) {
	showRows := map[string]bool{}
	for _, t := range spec.Tables {
		for _, e := range t.RowEvents() {
			showRows[e.Type] = showRows[e.Type] || t.Collection != "" && len(t.Row) == 0
		}
	}
	isOther := func(e Event) bool { return !showRows[e.Type] }
	spec.Tables = slices.DeleteFunc(slices.Clone(spec.Tables), func(t Table) bool {
		return !slices.ContainsFunc(t.RowEvents(), isOther)
	})
	cat, err := loadCatalog(ctx, tx, spec)
	if err != nil {
		return nil, err
	}
	found := map[string][]collection.Field{}
	for _, t := range spec.Tables {
		rel, err := cat.loadRelation(ctx, tx, t)
		if err != nil && isFault(ctx, tx, err) {
			return nil, err
		}
		if err != nil {
			continue // apply and check report it
		}
		if err := addEventTypes(ctx, tx, t.withBigints(rel), rel, isOther, found); err != nil {
			return nil, fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	return eventTypes(found), nil
}

// addEventTypes adds the fields of the wanted events of a table.
func addEventTypes(ctx context.Context, tx pgx.Tx, t Table, rel relation, isWanted func(Event) bool, found map[string][]collection.Field) error {
	for _, e := range t.RowEvents() {
		if !isWanted(e) {
			continue
		}
		fields, err := eventFields(ctx, tx, t, e, rel)
		if err != nil {
			return err
		}
		if others, ok := found[e.Type]; ok {
			fields = commonFields(others, fields)
		}
		found[e.Type] = fields
	}
	return nil
}

// eventFields describes the data of an event.
func eventFields(ctx context.Context, tx pgx.Tx, t Table, e Event, rel relation) ([]collection.Field, error) {
	payload := e.Payload
	if len(payload) == 0 {
		payload = columnFields(rel.columns)
	}
	fields := make([]collection.Field, len(payload))
	for i, f := range payload {
		fields[i] = newField(f, rel)
	}
	from := nullRow(rel) + " as n\ncross join " + nullRow(rel) + " as o\n" + joinsSQL(t.Joins)
	err := describeFields(ctx, tx, fields, payload, from)
	slices.SortFunc(fields, func(a, b collection.Field) int { return cmp.Compare(a.Name, b.Name) })
	return fields, err
}

// commonFields returns the fields that two events of one type have in common. A type is unknown if it differs.
func commonFields(some, others []collection.Field) []collection.Field {
	common := []collection.Field{}
	for _, f := range some {
		at, ok := slices.BinarySearchFunc(others, f.Name, func(other collection.Field, name string) int { return strings.Compare(other.Name, name) })
		if !ok {
			continue
		}
		other := others[at]
		if f.JSONType != other.JSONType || !slices.Equal(f.Labels, other.Labels) {
			f.Type, f.JSONType, f.Labels = unknownType, "", nil
		}
		f.Nullable = f.Nullable || other.Nullable
		common = append(common, f)
	}
	return common
}

func eventTypes(found map[string][]collection.Field) []EventType {
	list := make([]EventType, 0, len(found))
	for name, fields := range found {
		list = append(list, EventType{name, fields})
	}
	slices.SortFunc(list, func(a, b EventType) int { return cmp.Compare(a.Type, b.Type) })
	return list
}

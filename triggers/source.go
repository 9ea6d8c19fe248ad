package triggers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream/collection"
)

// A Source is a collection with what lists need to read it. Its SQL is over n, a row of the table, and means the same as
// in the trigger only with the settings of the trigger functions.
type Source struct {
	collection.Collection
	// From is a FROM clause without the word: the table as n, then the joins, one a line.
	From string
	// KeySQL is the key of a row as text.
	KeySQL string
	// Row holds the members of a row, in order.
	Row []Field
	// IsWholeRow reports that the events show to_json(n.*): a new column is in them before the next apply.
	IsWholeRow bool
	// Audience is a text[] that is never null. It is empty if every client may see every row.
	Audience string
	// BigintAsText reports that rows show columns of type bigint as texts.
	BigintAsText bool
	// IsPart reports that the data of events has more than the row, and that of deletes perhaps less.
	IsPart bool
}

// RowSQL returns the SELECT of the members of a row, without a FROM clause. to_json of its row is the data of an event.
func (s Source) RowSQL() string { return restoreLineBreaks(payloadRow(Event{Payload: s.Row})) }

// Collections returns the collections of the spec that are installed, with what lists need to read them, in order of name.
// It leaves out those whose triggers are not those of the spec, because it waits for its apply or is superseded, and
// [Notes] names them. It needs no right but SELECT on specs, trigger_functions and filter_fields in the schema pgherald.
func Collections(ctx context.Context, conn *pgx.Conn, spec Spec, opts ...Option) ([]Source, error) {
	var s Served
	err := readOnly(ctx, conn, func(tx pgx.Tx) error {
		all, err := expand(ctx, tx, spec)
		if err == nil {
			err = s.loadCollections(ctx, tx, all.spec, newOptions(opts))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up the collections: %w", err)
	}
	return s.Collections, nil
}

// Describe returns the collections of the spec as its apply would install them.
func Describe(ctx context.Context, conn *pgx.Conn, spec Spec, opts ...Option) ([]Source, error) {
	var sources []Source
	err := readOnly(ctx, conn, func(tx pgx.Tx) error {
		all, err := expand(ctx, tx, spec)
		if err == nil {
			err = errors.Join(all.mistakes...)
		}
		if err != nil {
			return err
		}
		o := newOptions(opts)
		report := o.notes
		o.notes = func(more []Note) { report(slices.Concat(all.notes, more)) } // they say why a table is no collection
		sources, err = loadSources(ctx, tx, all.spec, o, nil)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("describe the collections: %w", err)
	}
	return sources, nil
}

// loadSources describes the collections of a spec: those that found has, if that is not nil.
func loadSources(ctx context.Context, tx pgx.Tx, spec Spec, o options, found *installed) ([]Source, error) {
	every := spec
	spec.Tables = slices.DeleteFunc(slices.Clone(spec.Tables), func(t Table) bool { return t.Collection == "" })
	cat, err := loadCatalog(ctx, tx, spec)
	if err != nil {
		return nil, err
	}
	var sources []Source
	var notes []Note
	for _, t := range spec.Tables {
		s, more, err := cat.loadSource(ctx, tx, every, t, found)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t.Name, err)
		}
		notes = append(notes, more...)
		if s.Name != "" {
			s.addOthers(every.Tables)
			sources = append(sources, s)
		}
	}
	o.notes(notes)
	slices.SortFunc(sources, func(a, b Source) int { return cmp.Compare(a.Name, b.Name) })
	return sources, nil
}

// loadSource describes one collection. If it is not served, the source is empty and a note says why.
func (cat catalog) loadSource(ctx context.Context, tx pgx.Tx, spec Spec, t Table, found *installed) (s Source, notes []Note, err error) {
	rel, err := cat.loadRelation(ctx, tx, t)
	rel.children = slices.DeleteFunc(rel.children, spec.lists) // as in resolve
	if err != nil && isFault(ctx, tx, err) {
		return s, nil, err
	}
	if err == nil {
		err = errors.Join(collectionMistakes(t, rel)...)
	}
	if err == nil && found != nil {
		t, rel = found.asInstalled(t, rel)
		err = found.serves(spec.Name, t, rel)
	}
	if err != nil {
		return s, []Note{{Table: t.Name, Message: "is not served as a collection: " + oneLine(err.Error())}}, nil
	}
	if found != nil {
		t, notes = found.withLogged(t, rel)
	}
	s = newSource(t, rel)
	return s, notes, describeFields(ctx, tx, s.Fields, s.Row, s.typesFrom(rel))
}

// serves returns an error unless the installed triggers of a table are those of its collection.
func (found installed) serves(spec string, t Table, rel relation) error {
	f, ok := found.function(functionName(t.Name, opRow))
	switch {
	case !ok:
		return errors.New("it is not watched yet: " + runApply)
	case found.owners[f.name].spec != spec:
		return fmt.Errorf("another spec (%s) watches it", found.owners[f.name].spec)
	case f.collectionOf() != t.withMoves(rel).moves.name:
		return errors.New("its installed triggers are those of another state of the spec: " + runApply)
	}
	return nil
}

// withLogged leaves out the filter fields whose former values the installed triggers do not log, with a note.
func (found installed) withLogged(t Table, rel relation) (Table, []Note) {
	f, _ := found.function(functionName(t.Name, opRow))
	t, others := t.withLogged(f, rel)
	if len(others) == 0 {
		return t, nil
	}
	return t, []Note{{Table: t.Name, Message: "is a collection that clients cannot filter by " + columnList(others) + " yet: " + runApply}}
}

func newSource(t Table, rel relation) Source {
	s := Source{
		From:         strings.TrimSuffix(rel.name.String()+" as n\n"+restoreLineBreaks(joinsSQL(t.Joins)), "\n"),
		KeySQL:       restoreLineBreaks(rowKey(rel, "n")),
		Row:          t.rowFields(rel),
		IsWholeRow:   t.isWholeRow(rel),
		BigintAsText: t.BigintAsText,
		IsPart:       len(t.Row) > 0,
	}
	if t.Update[0].Audience != "" {
		s.Audience = restoreLineBreaks(eventValues(rel, Event{Audience: t.Update[0].Audience}).audience)
	}
	s.Name, s.Table, s.Key, s.Truncated = t.Collection, t.Name.String(), rel.key, t.Truncate.Type
	s.Types = map[string]collection.Op{
		t.Insert[0].Type: collection.OpInsert, t.Update[0].Type: collection.OpUpdate, t.Delete[0].Type: collection.OpDelete,
	}
	filter, _ := t.filterFields(rel)
	for _, f := range s.Row {
		field := newField(f, rel)
		if at := slices.IndexFunc(filter, func(other filterField) bool { return other.Name == f.Name }); at >= 0 {
			field.Filter, field.Column = filter[at].kind, filter[at].column
			if field.Filter == collection.Enum {
				field.SQLType = filter[at].base
			}
		}
		s.Fields = append(s.Fields, field)
	}
	return s
}

// typesFrom returns a FROM clause without the word, from which the types of expressions can be seen without a row.
func (s *Source) typesFrom(rel relation) string {
	_, joins, _ := strings.Cut(s.From, "\n")
	return nullRow(rel) + " as n\n" + joins
}

// addOthers adds the other tables whose events have a type of the collection.
func (s *Source) addOthers(tables []Table) {
	for _, t := range tables {
		name := t.Name.String()
		isOne := slices.ContainsFunc(t.RowEvents(), func(e Event) bool { return s.Types[e.Type] != "" })
		if isOne && name != s.Table {
			s.Others = append(s.Others, name)
		}
	}
}

// addSince says since when the log has the former values of the filter fields.
func (s *Source) addSince(filters map[filterKey]uint64, spec string) {
	for i, f := range s.Fields {
		if f.Filter == "" {
			continue
		}
		since, ok := filters[filterKey{spec, s.Name, f.Name}]
		if !ok {
			since = math.MaxUint64 // nothing says that any event has the former value
		}
		s.Fields[i].FilterSince = since
	}
}

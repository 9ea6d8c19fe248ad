package triggers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Columns chooses the columns of the default payload. The zero value is all of them.
type Columns struct {
	// Exclude leaves columns out, and Include keeps some of those all the same. * and ? are wildcards.
	Exclude []string `json:",omitempty"`
	Include []string `json:",omitempty"`
	// Cautious leaves out those whose names look sensitive, too.
	Cautious bool `json:",omitempty"`
}

func (c Columns) isZero() bool { return len(c.Exclude) == 0 && len(c.Include) == 0 && !c.Cautious }

// mayHide reports whether there are names of columns that the choice leaves out, also such as no table has yet.
func (c Columns) mayHide() bool {
	return (c.Cautious || len(c.Exclude) > 0) && !slices.Contains(c.Include, "*")
}

// of returns the choice without the names that a table does not have. It keeps all wildcards.
func (c Columns) of(columns []string) Columns {
	isMissing := func(name string) bool { return !strings.ContainsAny(name, "*?") && !slices.Contains(columns, name) }
	c.Exclude = slices.DeleteFunc(slices.Clone(c.Exclude), isMissing)
	c.Include = slices.DeleteFunc(slices.Clone(c.Include), isMissing)
	return c
}

// columnChoice is the result for one table.
type columnChoice struct {
	kept []string
	// excluded and sensitive are left out: the first by the spec, the others by their names.
	excluded, sensitive []string
}

// choose divides the columns of a table. It returns an error if a name of the choice has no column.
func (c Columns) choose(columns []string) (columnChoice, error) {
	var made columnChoice
	exclude, err := columnGlobs(c.Exclude)
	if err != nil {
		return made, err
	}
	include, err := columnGlobs(c.Include)
	if err != nil {
		return made, err
	}
	for _, name := range columns {
		switch {
		case matchesAny(include, name):
			made.kept = append(made.kept, name)
		case matchesAny(exclude, name):
			made.excluded = append(made.excluded, name)
		case c.Cautious && looksSensitive(name):
			made.sensitive = append(made.sensitive, name)
		default:
			made.kept = append(made.kept, name)
		}
	}
	if len(made.kept) == 0 {
		return made, errors.New("no column is left for the payload: name some under columns: include")
	}
	return made, nil
}

// unknownColumn returns an error for a name without wildcards that no column of a table has: a misspelt exclusion would
// show the column.
func (c Columns) unknownColumn(columns []string) error {
	for _, name := range slices.Concat(c.Exclude, c.Include) {
		if strings.ContainsAny(name, "*?") || slices.Contains(columns, name) {
			continue
		}
		return fmt.Errorf("columns: there is no column %s", quoteIdent(name))
	}
	return nil
}

func columnGlobs(names []string) ([]Glob, error) {
	globs := make([]Glob, len(names))
	for i, name := range names {
		var err error
		if globs[i], err = newGlob(name); err != nil {
			return nil, err
		}
	}
	return globs, nil
}

func matchesAny(globs []Glob, name string) bool {
	return slices.ContainsFunc(globs, func(g Glob) bool { return g.matches(name) })
}

// withColumns gives the events without a payload one of these columns.
func (t Table) withColumns(columns []string) Table {
	fields := columnFields(columns)
	fill := func(events []Event) []Event {
		events = slices.Clone(events)
		for i := range events {
			if len(events[i].Payload) == 0 {
				events[i].Payload = fields
			}
		}
		return events
	}
	t.Insert, t.Update, t.Delete = fill(t.Insert), fill(t.Update), fill(t.Delete)
	return t
}

// withOneShape names the columns of a collection whose partitions or children may have them in another order, or others.
func (t Table) withOneShape(rel relation) Table {
	if t.Collection == "" || !rel.partitioned && len(rel.children) == 0 {
		return t
	}
	return t.withColumns(rel.columns)
}

func columnFields(columns []string) []Field {
	fields := make([]Field, len(columns))
	for i, name := range columns {
		fields[i] = Field{Name: name, SQL: column("n", name)}
	}
	return fields
}

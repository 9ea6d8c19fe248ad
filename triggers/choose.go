package triggers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Choose returns the spec that watches tables with all defaults: names such as public.orders, patterns such as public.*,
// and patterns after a ! for what others match and the spec does not watch.
func Choose(names []string) (Spec, error) {
	spec := Spec{Name: defaultName}
	var exclude []NamePattern
	var listed []Name
	for _, text := range names {
		text, isExclusion := strings.CutPrefix(strings.TrimSpace(text), "!")
		p, err := parsePattern(text)
		if err != nil {
			return Spec{}, err
		}
		name, single := p.name()
		switch {
		case isExclusion:
			exclude = append(exclude, p)
		case single && !slices.Contains(listed, name):
			listed = append(listed, name)
		case !single:
			spec.Patterns = append(spec.Patterns, Pattern{Match: p, Table: watchAll(Name{})})
		}
	}
	if len(exclude) > 0 && len(spec.Patterns) == 0 {
		return Spec{}, fmt.Errorf("!%s excludes tables of a pattern, and there is none: add one, such as 'public.*'", exclude[0])
	}
	for i := range spec.Patterns {
		spec.Patterns[i].Exclude = exclude
	}
	for _, name := range listed {
		for _, x := range exclude {
			if x.matches(name) {
				return Spec{}, fmt.Errorf("table %s is listed, and !%s excludes it: remove one of them", name, x)
			}
		}
		spec.Tables = append(spec.Tables, watchAll(name))
	}
	if spec.isEmpty() {
		return Spec{}, errors.New("name at least one table, as in public.orders")
	}
	return spec, nil
}

// watchAll returns a table with default events and a collection, without the columns that look sensitive.
func watchAll(name Name) Table {
	t := Table{Name: name, Columns: Columns{Cautious: true}}
	return t.withDefaultEvents(Event{}).offered()
}

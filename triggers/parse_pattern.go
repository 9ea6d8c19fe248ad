package triggers

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// pattern returns the pattern that the name of a table is, or nil. Its event types may then hold {table}.
func (d *document) pattern(entries []entry) *Pattern {
	at := slices.IndexFunc(entries, func(e entry) bool { return e.key == "name" })
	if at < 0 {
		return nil
	}
	text, _, ok := d.scalar(entries[at].value)
	if !ok || !hasWildcard(text) {
		return nil
	}
	match, err := parsePattern(text)
	if err != nil {
		d.problem(entries[at].value, "%v", err)
	}
	return &Pattern{Match: match}
}

// exclude reads the tables that a pattern does not watch.
func (d *document) exclude(e entry, p *Pattern) {
	if p == nil {
		d.problem(e.at, `exclude is for a name with wildcards, such as "public.*"`)
		return
	}
	for _, item := range d.items(e.value) {
		text, _, ok := d.scalar(item)
		if !ok {
			d.problem(item, "exclude must be a table or a list of tables, as in public.audit")
			continue
		}
		pattern, err := parsePattern(text)
		if err != nil {
			d.problem(item, "%v", err)
		}
		p.Exclude = append(p.Exclude, pattern)
	}
}

// columns reads which columns the default payload has. isOpen reports that a pattern shall not be cautious.
func (d *document) columns(n ast.Node) (c Columns, isOpen bool) {
	entries, ok := d.mapping(n)
	if !ok || len(entries) == 0 {
		d.problem(n, "columns must be a mapping with exclude or include, each a list of columns, or sensitive")
	}
	for _, e := range entries {
		switch e.key {
		case "exclude":
			c.Exclude = d.columnPatterns(e.value)
		case "include":
			c.Include = d.columnPatterns(e.value)
		case "sensitive":
			isOpen = d.choice(e.value, "sensitive", "false", "true") == "true"
			c.Cautious = !isOpen
		default:
			d.unknown(e, "exclude, include, sensitive")
		}
	}
	return c, isOpen
}

func (d *document) columnPatterns(n ast.Node) []string {
	names := d.key(n)
	for _, name := range names {
		if _, err := newGlob(name); err != nil && name != "" {
			d.problem(n, "%v", err)
		}
	}
	return names
}

// withoutPlaceholder returns a type as it may read for a table of the pattern.
func (d *document) withoutPlaceholder(text string) string {
	if !d.matching {
		return text
	}
	return strings.ReplaceAll(text, placeholder, "t")
}

// isReserved reports whether an event type belongs to the stream itself.
func isReserved(text string) bool {
	return slices.Contains([]string{"sync", "heartbeat", "presence_updated", "batch", typeReset}, text)
}

// with completes a pattern. It is nil for a listed table.
func (p *Pattern) with(t Table, inherited Event, isOpen bool) *Pattern {
	if p == nil {
		return nil
	}
	t.Columns.Cautious = len(inherited.Payload) == 0 && !isOpen
	p.Table = t
	return p
}

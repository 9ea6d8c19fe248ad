package triggers

import (
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

func (d *document) spec() Spec {
	entries, ok := d.mapping(d.root)
	if !ok {
		d.problem(d.root, "a spec is a mapping with a list named tables")
		return Spec{}
	}
	spec := Spec{Name: defaultName}
	found := false
	for _, e := range entries {
		switch {
		case e.key == "tables":
			found = true
			spec.Tables, spec.Patterns = d.tables(e.value, d.defaults(entries))
		case e.key == "on_error", e.key == "bigint": // read as defaults of the tables
		case e.key == "name":
			spec.Name = d.specName(e.value)
		case e.key == "version":
			spec.Version = d.version(e.value)
		case strings.HasPrefix(e.key, "x-"): // for anchors
		default:
			d.unknown(e, "name, version, tables, on_error, bigint, and keys that begin with x-")
		}
	}
	if !found {
		d.problem(d.root, "the list named tables is missing")
	}
	return spec
}

func (d *document) specName(n ast.Node) string {
	text, isNull, ok := d.scalar(n)
	if !ok || isNull || !isSpecName(text) {
		d.problem(n, "name must be a lower-case letter and then up to 62 of a-z, 0-9, _ and -")
	}
	return text
}

func (d *document) version(n ast.Node) int64 {
	text, _, _ := d.scalar(n)
	version, err := strconv.ParseInt(text, 10, 64)
	if err != nil || version < 1 {
		d.problem(n, "version must be a whole number from 1 on")
	}
	return version
}

func (d *document) tables(n ast.Node, defaults Table) (tables []Table, patterns []Pattern) {
	list, ok := d.resolve(n).(*ast.SequenceNode)
	if !ok {
		d.problem(n, "tables must be a list")
		return nil, nil
	}
	if len(list.Values) == 0 {
		d.problem(n, "tables is empty: a spec watches at least one table; to remove its triggers, run `pgherald drop`")
	}
	seen := map[Name]bool{}
	collections := map[string]Name{}
	for _, item := range list.Values {
		t, p := d.table(item, defaults)
		if p != nil {
			patterns = append(patterns, *p)
			continue
		}
		if seen[t.Name] && t.Name != (Name{}) {
			d.problem(item, "table %s is listed twice", t.Name)
		}
		seen[t.Name] = true
		if other, ok := collections[t.Collection]; ok && t.Collection != "" {
			d.problem(item, "tables %s and %s have the same collection %s: name them differently", other, t.Name, t.Collection)
		}
		collections[t.Collection] = t.Name
		tables = append(tables, t)
	}
	return tables, patterns
}

package triggers

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// A Problem is one mistake in a spec, with its position.
type Problem struct {
	Line, Column int
	Message      string
}

// Error begins with line:column, so that a caller can prefix the name of the file.
func (p Problem) Error() string {
	return fmt.Sprintf("%d:%d: %s", p.Line, p.Column, p.Message)
}

// document holds the syntax tree of one YAML file and the problems found in it. Reading the tree, and not
// structs, keeps the order of the fields, gives every problem its position, and finds all problems at once.
type document struct {
	root     ast.Node
	anchors  map[string]ast.Node
	merged   map[ast.Node][]entry // the entries of each mapping that was read
	problems []Problem
	// matching is set while a table is read whose name is a pattern.
	matching bool
}

// entry is one key of a mapping with its value, after the expansion of merges.
type entry struct {
	key   string
	at    ast.Node
	value ast.Node
}

// openDocument parses data, which must hold one YAML document.
func openDocument(data []byte) (*document, error) {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, syntaxProblem(err)
	}
	docs := slices.DeleteFunc(file.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil })
	switch {
	case len(docs) == 0:
		return nil, Problem{1, 1, "the spec is empty; it needs a list named tables"}
	case len(docs) > 1:
		line, column := position(docs[1].Body)
		return nil, Problem{line, column, "a spec is one YAML document, and another begins here"}
	}
	d := &document{root: docs[0].Body, anchors: map[string]ast.Node{}, merged: map[ast.Node][]entry{}}
	ast.Walk(anchorVisitor(d.anchors), d.root)
	return d, nil
}

// syntaxProblem turns an error of the YAML parser into a Problem, without the excerpt of the source.
func syntaxProblem(err error) error {
	var located yaml.Error
	if !errors.As(err, &located) || located.GetToken() == nil {
		return fmt.Errorf("read YAML: %w", err)
	}
	at := located.GetToken().Position
	return Problem{at.Line, at.Column, "read YAML: " + located.GetMessage()}
}

// anchorVisitor collects the node of each anchor.
type anchorVisitor map[string]ast.Node

func (v anchorVisitor) Visit(n ast.Node) ast.Visitor {
	if anchor, ok := n.(*ast.AnchorNode); ok && anchor.Name != nil {
		v[anchor.Name.GetToken().Value] = anchor.Value
	}
	return v
}

func (d *document) problem(at ast.Node, format string, args ...any) {
	line, column := position(at)
	d.problems = append(d.problems, Problem{line, column, fmt.Sprintf(format, args...)})
}

func position(n ast.Node) (line, column int) {
	var tk *token.Token
	if n != nil {
		tk = n.GetToken()
	}
	// The token of a block mapping is the colon of its first entry, but the mapping begins at its first key.
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		tk = m.Values[0].Key.GetToken()
	}
	if tk == nil || tk.Position == nil {
		return 1, 1
	}
	return tk.Position.Line, tk.Position.Column
}

// resolve follows anchors, aliases and tags to a node. It returns nil and records a problem if an alias
// names no anchor or leads back to itself.
func (d *document) resolve(n ast.Node) ast.Node {
	start := n
	for range 100 {
		switch v := n.(type) {
		case *ast.AnchorNode:
			n = v.Value
		case *ast.TagNode:
			n = v.Value
		case *ast.AliasNode:
			target, ok := d.anchors[v.Value.GetToken().Value]
			if !ok {
				d.problem(v, "there is no anchor named %s", v.Value.GetToken().Value)
				return nil
			}
			n = target
		default:
			return n
		}
	}
	d.problem(start, "this alias leads back to itself")
	return nil
}

// mapping returns the entries of a mapping in order. ok is false if the node is not a mapping.
func (d *document) mapping(n ast.Node) (entries []entry, ok bool) {
	n = d.resolve(n)
	var pairs []*ast.MappingValueNode
	switch v := n.(type) {
	case *ast.MappingNode:
		pairs = v.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{v}
	default:
		return nil, false
	}
	if known, ok := d.merged[n]; ok {
		return known, true
	}
	d.merged[n] = nil // ends the recursion of a mapping that merges itself
	own := map[string]bool{}
	for _, pair := range pairs {
		own[keyText(pair)] = true
	}
	entries = d.expand(pairs, own)
	d.merged[n] = entries
	return entries, true
}

// expand replaces each << by the entries that it merges. A mapping's own keys win over merged ones, and
// earlier merged keys win over later ones.
func (d *document) expand(pairs []*ast.MappingValueNode, taken map[string]bool) []entry {
	var entries []entry
	for _, pair := range pairs {
		if !pair.Key.IsMergeKey() {
			entries = append(entries, entry{keyText(pair), pair.Key, pair.Value})
			continue
		}
		for _, e := range d.merges(pair.Value) {
			if !taken[e.key] {
				taken[e.key] = true
				entries = append(entries, e)
			}
		}
	}
	return entries
}

// merges returns the entries that a << brings in, from one mapping or a list of mappings.
func (d *document) merges(value ast.Node) []entry {
	sources := []ast.Node{value}
	if list, ok := d.resolve(value).(*ast.SequenceNode); ok {
		sources = list.Values
	}
	var entries []entry
	for _, source := range sources {
		more, ok := d.mapping(source)
		if !ok {
			d.problem(source, "<< needs a mapping, or a list of them")
		}
		entries = append(entries, more...)
	}
	return entries
}

func keyText(pair *ast.MappingValueNode) string {
	if s, ok := pair.Key.(*ast.StringNode); ok {
		return s.Value
	}
	return pair.Key.GetToken().Value
}

// items returns the elements of a list. Any other node counts as a list of one.
func (d *document) items(n ast.Node) []ast.Node {
	if list, ok := d.resolve(n).(*ast.SequenceNode); ok {
		return list.Values
	}
	return []ast.Node{n}
}

// scalar returns the source text of a scalar, so that 1 and true are SQL too. isNull reports a YAML null,
// for which the text is empty.
func (d *document) scalar(n ast.Node) (text string, isNull, ok bool) {
	switch v := d.resolve(n).(type) {
	case *ast.StringNode:
		return strings.TrimSpace(v.Value), false, true
	case *ast.LiteralNode:
		return strings.TrimSpace(v.Value.Value), false, true
	case *ast.NullNode:
		return "", true, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return v.GetToken().Value, false, true
	}
	return "", false, false
}

// has reports whether a mapping has this key.
func (d *document) has(n ast.Node, key string) bool {
	entries, _ := d.mapping(n)
	return slices.ContainsFunc(entries, func(e entry) bool { return e.key == key })
}

func (d *document) unknown(e entry, known string) {
	d.problem(e.at, "unknown field %q (known here: %s)", e.key, known)
}

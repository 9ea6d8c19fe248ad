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

// The spec is read from the syntax tree rather than into structs: that keeps the order of the
// fields, gives every mistake its line and column, and finds all of them at once.

// A Problem is one mistake in a spec, and where it is.
type Problem struct {
	Line, Column int
	Message      string
}

// Error begins with line:column, so that a caller can set the name of the file before it.
func (p Problem) Error() string {
	return fmt.Sprintf("%d:%d: %s", p.Line, p.Column, p.Message)
}

// document is the tree of one YAML file and what was found wrong with it.
type document struct {
	root     ast.Node
	anchors  map[string]ast.Node
	merged   map[ast.Node][]entry
	problems []Problem
}

// entry is one key of a mapping with its value, after aliases and merges.
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

// syntaxProblem keeps the place of a parser's error, and its sentence without the excerpt.
func syntaxProblem(err error) error {
	var located yaml.Error
	if !errors.As(err, &located) || located.GetToken() == nil {
		return fmt.Errorf("read YAML: %w", err)
	}
	at := located.GetToken().Position
	return Problem{at.Line, at.Column, "read YAML: " + located.GetMessage()}
}

// anchorVisitor collects what each anchor names.
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
	// A block mapping's token is the colon of its first entry; its first key is where it begins.
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		tk = m.Values[0].Key.GetToken()
	}
	if tk == nil || tk.Position == nil {
		return 1, 1
	}
	return tk.Position.Line, tk.Position.Column
}

// resolve looks through anchors, aliases and tags. It gives nil, and notes why, for an alias that
// names nothing or itself.
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

// mapping gives the entries of a mapping in order; ok is false if it is none.
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
	d.merged[n] = nil // a mapping that merges itself finds nothing more
	own := map[string]bool{}
	for _, pair := range pairs {
		own[keyText(pair)] = true
	}
	entries = d.expand(pairs, own)
	d.merged[n] = entries
	return entries, true
}

// expand puts merged entries where their << stands. A mapping's own keys win over merged ones, and
// of those the first.
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

// merges gives the entries that a << brings in: those of one mapping, or of a list of them.
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

// items gives the elements of a list; anything else is a list of one.
func (d *document) items(n ast.Node) []ast.Node {
	if list, ok := d.resolve(n).(*ast.SequenceNode); ok {
		return list.Values
	}
	return []ast.Node{n}
}

// scalar gives the text of a scalar as it was written, so that 1 and true are SQL too; isNull
// tells the null apart.
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

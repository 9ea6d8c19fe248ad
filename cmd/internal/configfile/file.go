// Package configfile reads settings from a YAML file into kong's flags, and prints the flags as such a file.
//
// The keys are the names of the flags. A flag on the command line overrides its environment variable, the
// variable overrides the file, and the file overrides the default. An unknown key is an error, so that a
// typo does not leave a setting at its default unnoticed.
package configfile

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// setting is one key of a file with its value.
type setting struct {
	text string   // of a scalar
	list []string // of a sequence
	line int
}

// file is a parsed file.
type file struct {
	name     string
	settings map[string]setting
}

// read parses a file. Each error starts with the file's name and the line.
func read(name string) (*file, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the config file: %w", err)
	}
	f := &file{name: name, settings: make(map[string]setting)}
	document, err := parser.ParseBytes(text, 0)
	if err != nil {
		var located yaml.Error
		if errors.As(err, &located) {
			return nil, f.errorAt(located.GetToken(), "read YAML: %s", located.GetMessage())
		}
		return nil, fmt.Errorf("%s: read YAML: %w", name, err)
	}
	bodies := slices.DeleteFunc(document.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil || d.Body.Type() == ast.CommentType })
	if len(bodies) > 1 {
		return nil, fmt.Errorf("%s: has %d documents, want one", name, len(bodies))
	}
	if len(bodies) == 0 {
		return f, nil
	}
	entries, err := f.entries(bodies[0].Body)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, entry := range entries {
		errs = append(errs, f.add(entry))
	}
	return f, join(errs)
}

// entries returns the entries of a mapping. A mapping with one entry has a node type of its own.
func (f *file) entries(body ast.Node) ([]*ast.MappingValueNode, error) {
	switch n := body.(type) {
	case *ast.MappingNode:
		return n.Values, nil
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, nil
	}
	return nil, f.errorAt(body.GetToken(), "want a list of NAME: VALUE, as in\nheartbeat: 15s")
}

// add adds one entry.
func (f *file) add(entry *ast.MappingValueNode) error {
	at := entry.Key.GetToken()
	key := at.Value
	if _, exists := f.settings[key]; exists {
		return f.errorAt(at, "%s: is set twice", key)
	}
	s := setting{line: at.Position.Line}
	switch v := unwrap(entry.Value).(type) {
	case *ast.NullNode:
		return f.errorAt(at, "%s: has no value: set one or remove the key", key)
	case *ast.SequenceNode:
		s.list = []string{}
		for _, item := range v.Values {
			text, ok := scalar(unwrap(item))
			if !ok {
				return f.errorAt(at, "%s: want a list of plain values", key)
			}
			s.list = append(s.list, text)
		}
	default:
		text, ok := scalar(v)
		if !ok {
			return f.errorAt(at, "%s: want a value or a list of values", key)
		}
		s.text = text
	}
	f.settings[key] = s
	return nil
}

// unwrap removes tags and anchors.
func unwrap(n ast.Node) ast.Node {
	for {
		switch v := n.(type) {
		case *ast.TagNode:
			n = v.Value
		case *ast.AnchorNode:
			n = v.Value
		default:
			return n
		}
	}
}

// scalar returns the text of a plain value. kong converts it to the type of the flag.
func scalar(n ast.Node) (string, bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return v.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// lineError is an error at a line of a file.
type lineError struct {
	file string
	line int
	error
}

func (e *lineError) Error() string { return fmt.Sprintf("%s:%d: %v", e.file, e.line, e.error) }

func (e *lineError) Unwrap() error { return e.error }

func (f *file) errorAt(t *token.Token, format string, args ...any) error {
	return f.errorAtLine(t.Position.Line, format, args...)
}

func (f *file) errorAtLine(line int, format string, args ...any) error {
	return &lineError{f.name, line, fmt.Errorf(format, args...)}
}

// join joins errors in the order of their lines.
func join(errs []error) error {
	line := func(err error) int {
		var located *lineError
		if errors.As(err, &located) {
			return located.line
		}
		return 0
	}
	slices.SortStableFunc(errs, func(a, b error) int { return line(a) - line(b) })
	return errors.Join(errs...)
}

package web_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/triggers"
)

// fields maps the names of a payload's fields to whether the field may be absent.
type fields map[string]bool

// TestClientKnowsTheEventsOfTheTables compares the client's TypeScript types of the payloads with
// the workload's spec.
func TestClientKnowsTheEventsOfTheTables(t *testing.T) {
	ts := readEventTypes(t)
	want := payloads(triggers.Workload())
	want["presence_updated"] = fields{"userId": false, "isOnline": false}                                          // no table writes it
	want["collection_reset"] = fields{"table": true, "key": true, "type": true, "reason": false, "sqlstate": true} // for every table
	got := make(map[string]fields)
	for kind, name := range ts.events("LogEvents", "ActivityEvents") {
		got[kind] = ts.fields(t, name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%v differ from triggers/workload.yaml; true means optional (-triggers +client):\n%s", typeFiles, diff)
	}
}

// TestClientKnowsTheEventsOfTheStream compares the client's control events with the constants of package stream.
func TestClientKnowsTheEventsOfTheStream(t *testing.T) {
	ts := readEventTypes(t)
	kinds := constants(t, "Type")
	known := ts.events("StreamEvents", "LogEvents")
	known["batch"] = "" // the client delivers the events in it instead
	for _, kind := range kinds {
		if _, ok := known[kind]; !ok {
			t.Errorf("the client does not know %s", kind)
		}
	}
	for kind := range ts.events("StreamEvents") {
		if !slices.Contains(kinds, kind) {
			t.Errorf("the client knows %s, which the stream never sends", kind)
		}
	}
	var modes []string
	for _, literal := range strings.Split(ts.members["Sync"]["mode"], " | ") {
		modes = append(modes, strings.Trim(literal, `"`))
	}
	slices.Sort(modes)
	if diff := cmp.Diff(constants(t, "Mode"), modes); diff != "" {
		t.Errorf("the modes of sync (-stream +client):\n%s", diff)
	}
}

// TestClientKnowsSync compares the client's type of the data of sync with stream.Sync.
func TestClientKnowsSync(t *testing.T) {
	// The API adds the members of a stream with a token.
	want := fields{"connection": true, "expires": true}
	sync := reflect.TypeFor[stream.Sync]()
	for i := range sync.NumField() {
		name, options, _ := strings.Cut(sync.Field(i).Tag.Get("json"), ",")
		want[name] = options == "omitempty"
	}
	if diff := cmp.Diff(want, readEventTypes(t).fields(t, "Sync")); diff != "" {
		t.Errorf("the data of sync (-stream +client):\n%s", diff)
	}
}

// payloads returns the fields of each type of event. A field that only some events of the type have may be absent.
func payloads(spec triggers.Spec) map[string]fields {
	seen := make(map[string]map[string]int)
	events := make(map[string]int)
	add := func(kind string, names ...string) {
		events[kind]++
		if seen[kind] == nil {
			seen[kind] = make(map[string]int)
		}
		for _, name := range names {
			seen[kind][name]++
		}
	}
	for _, table := range spec.Tables {
		for _, event := range table.RowEvents() {
			var names []string
			for _, field := range event.Payload {
				names = append(names, field.Name)
			}
			add(event.Type, names...)
		}
		if table.Truncate.Type != "" {
			add(table.Truncate.Type, "table")
		}
	}
	out := make(map[string]fields)
	for kind, counts := range seen {
		out[kind] = make(fields)
		for name, n := range counts {
			out[kind][name] = n < events[kind]
		}
	}
	return out
}

// constants returns the values of the string constants of package stream whose names have a prefix, sorted.
func constants(t *testing.T, prefix string) []string {
	t.Helper()
	paths, err := filepath.Glob("../stream/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(spec.Names[0].Name, prefix) || len(spec.Values) != 1 {
				return true
			}
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
				value, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, value)
			}
			return true
		})
	}
	if len(values) == 0 {
		t.Fatalf("package stream has no constant with the prefix %s", prefix)
	}
	slices.Sort(values)
	return values
}

// types holds the interfaces of a TypeScript file that has one member per line.
type types struct {
	extends map[string]string
	members map[string]map[string]string // interface, member (with ? if optional), type
}

var (
	interfaceLine = regexp.MustCompile(`^export interface (\w+)(?: extends (\w+))? \{(\}?)$`)
	memberLine    = regexp.MustCompile(`^  (\w+\??): (.+);$`)
)

// typeFiles are the files of the client that declare the events: those of every server, and those of the example.
var typeFiles = []string{"client/src/events.ts", "client/src/activities/events.ts"}

// readEventTypes parses the interfaces of typeFiles.
func readEventTypes(t *testing.T) types {
	t.Helper()
	ts := types{extends: make(map[string]string), members: make(map[string]map[string]string)}
	for _, path := range typeFiles {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		ts.read(string(content))
	}
	return ts
}

// read adds the interfaces of a file.
func (ts types) read(content string) {
	current := ""
	for line := range strings.Lines(content) {
		line = strings.TrimRight(line, "\n")
		if m := interfaceLine.FindStringSubmatch(line); m != nil {
			current = m[1]
			ts.extends[current], ts.members[current] = m[2], make(map[string]string)
			if m[3] != "" {
				current = ""
			}
		} else if line == "}" {
			current = ""
		} else if m := memberLine.FindStringSubmatch(line); m != nil && current != "" {
			ts.members[current][m[1]] = m[2]
		}
	}
}

// events returns the members of interfaces that map types of events to interfaces.
func (ts types) events(names ...string) map[string]string {
	out := make(map[string]string)
	for _, name := range names {
		maps.Copy(out, ts.members[name])
	}
	return out
}

// fields returns the members of an interface, with the inherited ones.
func (ts types) fields(t *testing.T, name string) fields {
	t.Helper()
	members, ok := ts.members[name]
	if !ok {
		t.Fatalf("the client has no interface %s", name)
	}
	out := make(fields)
	if parent := ts.extends[name]; parent != "" {
		maps.Copy(out, ts.fields(t, parent))
	}
	for member := range members {
		field, optional := strings.CutSuffix(member, "?")
		out[field] = optional
	}
	return out
}

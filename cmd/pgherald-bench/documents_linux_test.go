package main

import (
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var (
	commandLine = regexp.MustCompile("pgherald-bench ([^`\n#]+)")
	flagInText  = regexp.MustCompile("`--([a-z][a-z0-9-]*)")
)

// ofServe are flags of pgherald that docs/benchmarks.md names alone.
var ofServe = []string{"compress", "drain", "tables"}

// flagsOf returns the names of the flags of all commands.
func flagsOf(node *kong.Node) map[string]bool {
	all := map[string]bool{}
	for _, flag := range node.Flags {
		all[flag.Name] = true
	}
	for _, child := range node.Children {
		for name := range flagsOf(child) {
			all[name] = true
		}
	}
	return all
}

// TestFlagsOfDocuments parses every command line in docs/benchmarks.md, and checks that the flags it names alone are flags
// of some benchmark.
func TestFlagsOfDocuments(t *testing.T) {
	text, err := os.ReadFile("../../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	parser, err := newParser(io.Discard, io.Discard, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	lines := commandLine.FindAllStringSubmatch(string(text), -1)
	if len(lines) < 10 {
		t.Errorf("found only %d command lines", len(lines))
	}
	for _, line := range lines {
		if strings.Contains(line[1], "|") { // the list of benchmarks
			continue
		}
		args := strings.Fields(line[1])
		if !slices.Contains(args, "--ephemeral") { // left out where the text is about something else
			args = append(args, "--ephemeral")
		}
		if _, err := parser.Parse(args); err != nil {
			t.Errorf("pgherald-bench %s: %v", line[1], err)
		}
	}
	all := flagsOf(parser.Model.Node)
	for _, found := range flagInText.FindAllStringSubmatch(string(text), -1) {
		if !all[found[1]] && !slices.Contains(ofServe, found[1]) {
			t.Errorf("there is no flag --%s", found[1])
		}
	}
}

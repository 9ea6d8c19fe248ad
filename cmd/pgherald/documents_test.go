package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// documents returns the texts that tell people how to use the program, by path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/migrate/*.md", "clients/*/README.md", "web/client/README.md", "deploy/*/README.md"} {
		files, err := filepath.Glob("../../" + pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no document matches %s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			texts[strings.TrimPrefix(file, "../../")] = string(text)
		}
	}
	return texts
}

// newDocumentParser returns a parser that runs nothing. One serves many command lines: to make it takes longer than they do.
func newDocumentParser(t *testing.T) *kong.Kong {
	t.Helper()
	parser, err := newParser(new(cli), newResolver(), kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	return parser
}

var (
	commandLine   = regexp.MustCompile(`(?m)^(?:    |\$ )(?:[A-Z_]+=\S+ )*(?:bin/|npx @)?pgherald(?:/cli)? ((?:[^\n]*\\\n)*[^\n]*)$`)
	commandInText = regexp.MustCompile("`pgherald ([^`\n]+)`")
	specFlag      = regexp.MustCompile(`--spec=\S+`)
	endOfCommand  = regexp.MustCompile(`\s[#|>&<;]|…`)
)

// argumentsOf splits what follows the program's name, as far as a shell gives it to the program.
func argumentsOf(line string) []string {
	line = strings.ReplaceAll(line, "\\\n", " ")
	if end := endOfCommand.FindStringIndex(line); end != nil {
		line = line[:end[0]]
	}
	line = specFlag.ReplaceAllString(line, "--spec=documents_test.go") // the file must exist
	args := strings.Fields(strings.NewReplacer("'", "", `"`, "", "SHELL", "bash").Replace(line))
	return slices.DeleteFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--config=") }) // which is read at once
}

// TestCommandLinesOfDocuments parses every command line of pgherald in the documents.
func TestCommandLinesOfDocuments(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://h/d")
	found, parser := 0, newDocumentParser(t)
	parse := func(line string) error {
		if strings.Contains(line, "--source=") { // a server without a database
			defer os.Setenv("DATABASE_URL", os.Getenv("DATABASE_URL"))
			os.Unsetenv("DATABASE_URL")
		}
		parser.Model.HelpFlag.Set = false // by a line before, kong would take no default command
		_, err := parser.Parse(argumentsOf(line))
		return err
	}
	for file, text := range documents(t) {
		for _, line := range commandLine.FindAllStringSubmatch(text, -1) {
			found++
			if err := parse(line[1]); err != nil {
				t.Errorf("%s: pgherald %s: %v", file, line[1], err)
			}
		}
		for _, line := range commandInText.FindAllStringSubmatch(text, -1) {
			found++
			err := parse(line[1])
			if err != nil && !strings.Contains(err.Error(), "expected ") && !strings.HasPrefix(err.Error(), "missing ") { // named without its arguments
				t.Errorf("%s: `pgherald %s`: %v", file, line[1], err)
			}
		}
	}
	if found < 40 {
		t.Errorf("found only %d command lines", found)
	}
}

// flagsOf returns the flags of all commands, and those of serve.
func flagsOf(t *testing.T) (all, serve map[string]bool) {
	t.Helper()
	parser := newDocumentParser(t)
	all, serve = map[string]bool{}, map[string]bool{}
	var visit func(node *kong.Node)
	visit = func(node *kong.Node) {
		for _, flag := range node.Flags {
			all[flag.Name] = true
			if node.Name == "serve" {
				serve[flag.Name] = true
			}
		}
		for _, child := range node.Children {
			visit(child)
		}
	}
	visit(parser.Model.Node)
	return all, serve
}

// otherFlags are of other programs.
var otherFlags = []string{"data-urlencode", "omit", "disable-triggers"}

// TestFlagsOfDocuments checks that the documents name no flag that does not exist, and every one of serve. The flags in
// docs/benchmarks.md are mostly those of pgherald-bench, whose own test knows them.
func TestFlagsOfDocuments(t *testing.T) {
	named := map[string]bool{}
	all, serve := flagsOf(t)
	flag := regexp.MustCompile("`--([a-z][a-z0-9-]*)")
	for file, text := range documents(t) {
		for _, found := range flag.FindAllStringSubmatch(text, -1) {
			named[found[1]] = true
			if !all[found[1]] && !slices.Contains(otherFlags, found[1]) && file != "docs/benchmarks.md" {
				t.Errorf("%s: there is no flag --%s", file, found[1])
			}
		}
		for name := range serve {
			named[name] = named[name] || strings.Contains(text, "--"+name+"=")
		}
	}
	for name := range serve {
		if !named[name] && name != "help" {
			t.Errorf("no document names --%s", name)
		}
	}
}

// TestReadmeNamesEveryCommand compares the table of commands in README.md with the program.
func TestReadmeNamesEveryCommand(t *testing.T) {
	parser := newDocumentParser(t)
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range parser.Model.Leaves(true) {
		name := command.FullPath() // pgherald migrate up
		last := name[strings.LastIndex(name, " ")+1:]
		if !regexp.MustCompile("(?m)^\\| .*`(" + regexp.QuoteMeta(name) + "|" + last + ")[ `]").Match(readme) {
			t.Errorf("README.md does not name %s", name)
		}
	}
}

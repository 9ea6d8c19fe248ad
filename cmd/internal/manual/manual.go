// Package manual writes manual pages of a kong command line in mdoc(7), which man-db, mandoc and macOS show.
package manual

import (
	"fmt"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// Page is the manual page of one command.
type Page struct {
	Command string // such as "migrate up"; empty for the program
	Name    string // such as pgherald-migrate-up
	Text    string
}

// File returns the name under which man finds the page.
func (p Page) File() string { return p.Name + ".1" }

// ExitStatus explains one exit code.
type ExitStatus struct {
	Code    string
	Meaning string
}

// Options are what the pages say that the model does not know.
type Options struct {
	Version string
	Date    time.Time
	// ExitStatus holds the codes that all commands have.
	ExitStatus []ExitStatus
}

// Pages returns the page of the program and those of its commands.
func Pages(app *kong.Application, options Options) []Page {
	var pages []Page
	var add func(n *kong.Node)
	add = func(n *kong.Node) {
		pages = append(pages, newPage(n, options))
		for _, child := range visible(n.Children) {
			add(child)
		}
	}
	add(app.Node)
	return pages
}

// newPage writes the page of a command.
func newPage(n *kong.Node, options Options) Page {
	w := &writer{}
	name := pageName(n)
	w.raw(".Dd " + options.Date.UTC().Format("January 2, 2006"))
	w.macro("Dt", strings.ToUpper(name), "1")
	w.macro("Os", strings.TrimSpace("pgherald "+options.Version))
	w.section("NAME")
	w.macro("Nm", name)
	summary, rest := summarize(n)
	w.macro("Nd", summary)
	w.section("SYNOPSIS")
	w.synopsis(n)
	w.section("DESCRIPTION")
	w.text(strings.TrimSpace(rest + "\n\n" + n.Detail))
	w.commands(n)
	w.options(n)
	w.section("EXIT STATUS")
	w.raw(".Bl -tag -width Ds")
	for _, s := range options.ExitStatus {
		w.macro("It", s.Code)
		w.text(s.Meaning)
	}
	w.raw(".El")
	w.seeAlso(n)
	return Page{Command: commandPath(n), Name: name, Text: w.String()}
}

// summarize returns the first sentence for NAME, and the description. That of a command repeats its only sentence, since a
// page without a description is none.
func summarize(n *kong.Node) (summary, description string) {
	help := strings.TrimSpace(n.Help)
	paragraph, rest, _ := strings.Cut(help, "\n\n")
	sentence, _, _ := strings.Cut(paragraph, ". ")
	sentence = strings.TrimSuffix(sentence, ".")
	if n.Type == kong.ApplicationNode {
		return strings.TrimPrefix(sentence, n.Name+" "), rest
	}
	return strings.ToLower(sentence[:1]) + sentence[1:], help
}

func visible(nodes []*kong.Node) (out []*kong.Node) {
	for _, n := range nodes {
		if !n.Hidden {
			out = append(out, n)
		}
	}
	return out
}

func commandPath(n *kong.Node) string {
	if n.Type == kong.ApplicationNode {
		return ""
	}
	return strings.TrimSpace(commandPath(n.Parent) + " " + n.Name)
}

func pageName(n *kong.Node) string {
	if n.Type == kong.ApplicationNode {
		return n.Name
	}
	return pageName(n.Parent) + "-" + n.Name
}

// typed returns the words of the command line.
func typed(n *kong.Node) string { return strings.TrimSpace(root(n).Name + " " + commandPath(n)) }

func root(n *kong.Node) *kong.Node {
	for n.Parent != nil {
		n = n.Parent
	}
	return n
}

// flagsOf returns the flags of a command that --help shows, by group in the order of their first flags.
func flagsOf(n *kong.Node) (groups []string, byGroup map[string][]*kong.Flag) {
	byGroup = map[string][]*kong.Flag{}
	for _, flags := range n.AllFlags(true) {
		for _, f := range flags {
			title := ""
			if f.Group != nil {
				title = f.Group.Title
			}
			if byGroup[title] == nil {
				groups = append(groups, title)
			}
			byGroup[title] = append(byGroup[title], f)
		}
	}
	return groups, byGroup
}

// envText names the variables of a flag.
func envText(f *kong.Flag) string { return fmt.Sprintf("Variable: %s.", strings.Join(f.Envs, ", ")) }

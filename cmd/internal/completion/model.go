// Package completion writes completions of a kong command line for bash, zsh and fish. The scripts are static: they do not
// start the program, and a package can install them where the shells look.
package completion

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// Shells are the shells that Write knows.
func Shells() []string { return []string{"bash", "zsh", "fish"} }

// Write writes the script for a shell.
func Write(w io.Writer, shell string, app *kong.Application) error {
	root := newCommand(app.Node, "", app.Flags)
	writers := map[string]func(command) string{"bash": bash, "zsh": zsh, "fish": fish}
	write, ok := writers[shell]
	if !ok {
		return fmt.Errorf("write completions for %q: choose one of %s", shell, strings.Join(Shells(), ", "))
	}
	_, err := io.WriteString(w, write(root))
	return err
}

// command is a command as the shells see it.
type command struct {
	name     string
	path     string // of names below the program, such as "migrate up"; empty for the program
	help     string
	options  []option
	children []command
	isFile   bool     // its argument is a file
	values   []string // of its argument, if it takes only these
}

// option is a flag with the program's own.
type option struct {
	long, short string // without hyphens
	help        string
	value       string   // placeholder, empty if it takes no value
	values      []string // if it takes only these
	isFile      bool
}

// newCommand converts a node. All commands take the options of the program.
func newCommand(n *kong.Node, path string, global []*kong.Flag) command {
	c := command{name: n.Name, path: path, help: sentence(n.Help)}
	flags := n.Flags
	if path != "" {
		flags = append(append([]*kong.Flag{}, n.Flags...), global...)
	}
	seen := map[string]bool{}
	for _, f := range flags {
		if !f.Hidden && !seen[f.Name] {
			seen[f.Name] = true
			c.options = append(c.options, newOption(f))
		}
	}
	for _, p := range n.Positional {
		c.isFile = c.isFile || isFile(p)
		if p.Enum != "" {
			c.values = p.EnumSlice()
		}
	}
	for _, child := range n.Children {
		if !child.Hidden {
			c.children = append(c.children, newCommand(child, strings.TrimSpace(path+" "+child.Name), global))
		}
	}
	return c
}

func newOption(f *kong.Flag) option {
	o := option{long: f.Name, help: sentence(f.Help), isFile: isFile(f.Value)}
	if f.Short != 0 {
		o.short = string(f.Short)
	}
	if !f.IsBool() && !f.IsCounter() {
		o.value = strings.Trim(f.FormatPlaceHolder(), `"`)
		if f.PlaceHolder != "" {
			o.value = f.PlaceHolder
		}
	}
	if f.Enum != "" {
		o.values = f.EnumSlice()
	}
	return o
}

func isFile(v *kong.Value) bool {
	switch v.Tag.Type {
	case "existingfile", "existingdir", "path":
		return true
	}
	return v.Flag != nil && (v.Flag.PlaceHolder == "FILE" || v.Flag.PlaceHolder == "DIR")
}

// sentence returns the first sentence, without the point at its end.
func sentence(help string) string {
	first, _, _ := strings.Cut(help, ". ")
	first, _, _ = strings.Cut(first, ": ")
	return strings.TrimSuffix(first, ".")
}

// walk calls visit for the command and all below it.
func (c command) walk(visit func(command)) {
	visit(c)
	for _, child := range c.children {
		child.walk(visit)
	}
}

// names returns the options with their hyphens.
func (c command) names() (names []string) {
	for _, o := range c.options {
		names = append(names, "--"+o.long)
	}
	return names
}

// quote returns a text as one word of a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

package manual

import (
	"strings"

	"github.com/alecthomas/kong"
)

// writer writes mdoc.
type writer struct{ strings.Builder }

// raw writes a line of mdoc.
func (w *writer) raw(line string) { w.WriteString(line + "\n") }

// macro writes a macro with arguments that are text.
func (w *writer) macro(name string, args ...string) {
	line := "." + name
	for _, arg := range args {
		line += " " + argument(arg)
	}
	w.raw(line)
}

func (w *writer) section(title string) { w.raw(".Sh " + title) }

// text writes paragraphs. Indented ones are examples, and keep their lines.
func (w *writer) text(text string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if strings.HasPrefix(paragraph, "    ") {
			w.raw(".Bd -literal -offset indent")
			for line := range strings.SplitSeq(paragraph, "\n") {
				w.raw(escapeLine(strings.TrimPrefix(line, "    ")))
			}
			w.raw(".Ed")
			continue
		}
		if i > 0 {
			w.raw(".Pp")
		}
		for _, line := range sentences(paragraph) {
			w.raw(escapeLine(line))
		}
	}
}

// synopsis writes how the command is called.
func (w *writer) synopsis(n *kong.Node) {
	w.raw(".Nm " + argument(typed(n)))
	for _, flags := range n.AllFlags(true) {
		for _, f := range flags {
			if f.Required {
				w.raw(".Fl -" + f.Name + " Ns = Ns Ar " + argument(placeholder(f)))
			}
		}
	}
	w.raw(".Op Ar options")
	for _, p := range n.Positional {
		if p.Required {
			w.raw(".Ar " + argument(p.Name))
		} else {
			w.raw(".Op Ar " + argument(p.Name))
		}
	}
	if len(n.Children) > 0 {
		w.raw(".Ar command")
	}
}

// commands lists the commands below.
func (w *writer) commands(n *kong.Node) {
	children := visible(n.Children)
	if len(children) == 0 {
		return
	}
	w.section("COMMANDS")
	w.raw(".Bl -tag -width Ds")
	for _, child := range children {
		w.raw(".It Xr " + argument(pageName(child)) + " 1")
		w.text(child.Help)
	}
	w.raw(".El")
}

// options lists arguments and flags, by group.
func (w *writer) options(n *kong.Node) {
	if len(n.Positional) > 0 {
		w.section("ARGUMENTS")
		w.raw(".Bl -tag -width Ds")
		for _, p := range n.Positional {
			w.raw(".It Ar " + argument(p.Name))
			w.text(p.Help)
		}
		w.raw(".El")
	}
	w.section("OPTIONS")
	groups, byGroup := flagsOf(n)
	for _, group := range groups {
		if group != "" {
			w.raw(".Ss " + group)
		}
		w.raw(".Bl -tag -width Ds")
		for _, f := range byGroup[group] {
			w.option(f)
		}
		w.raw(".El")
	}
}

func (w *writer) option(f *kong.Flag) {
	line := ".It "
	if f.Short != 0 {
		line += "Fl " + string(f.Short) + " , "
	}
	line += "Fl -" + f.Name
	if !f.IsBool() && !f.IsCounter() {
		line += " Ns = Ns Ar " + argument(placeholder(f))
	}
	w.raw(line)
	w.text(f.Help)
	if len(f.Envs) > 0 {
		w.text(envText(f))
	}
}

func placeholder(f *kong.Flag) string {
	if f.PlaceHolder != "" {
		return f.PlaceHolder
	}
	return strings.Trim(f.FormatPlaceHolder(), `"`)
}

// seeAlso names the page above.
func (w *writer) seeAlso(n *kong.Node) {
	w.section("SEE ALSO")
	if n.Parent != nil {
		w.raw(".Xr " + argument(pageName(n.Parent)) + " 1 ,")
	}
	w.raw(".Lk https://github.com/pgherald/pgherald")
}

// argument returns a text as one argument of a macro. The zero-width escape keeps it from being a macro or punctuation.
func argument(s string) string {
	s = strings.ReplaceAll(s, `\`, `\e`)
	s = strings.ReplaceAll(s, `"`, `\(dq`)
	if s == "" || strings.ContainsAny(s, " \t") {
		return `"` + s + `"`
	}
	if isMacro := len(s) == 2 || len(s) == 3; isMacro {
		return `\&` + s
	}
	return s
}

// escapeLine returns a line that is no request.
func escapeLine(s string) string {
	s = strings.ReplaceAll(s, `\`, `\e`)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

// width is the length of a line, which mandoc checks.
const width = 78

// sentences returns a paragraph with each sentence on new lines, as mdoc wants them, to space them alike.
func sentences(paragraph string) (lines []string) {
	line := ""
	begins := true // a sentence
	for word := range strings.FieldsSeq(paragraph) {
		ended := strings.HasSuffix(line, ".") && word[0] >= 'A' && word[0] <= 'Z'
		switch {
		case begins:
			line = word
		case ended || len(line)+1+len(word) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
		begins = false
	}
	return append(lines, line)
}

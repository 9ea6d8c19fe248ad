package demo

import (
	"fmt"
	"io"
	"strings"
)

// printCommands prints commands that work when pasted into a shell. They quote with single quotes only: a shell expands
// something in double quotes, such as ! in bash.
func printCommands(w io.Writer, addr string, rate float64, db database) {
	fmt.Fprintf(w, `
  Open      http://%[1]s/
  Watch     curl -N http://%[1]s/api/events
  Write     %[2]s
  Stop      Ctrl-C

`, addr, writeCommand(addr, db))
	if rate > 0 {
		fmt.Fprintf(w, "  The demo simulates %g changes per second; --simulate=0 turns that off.\n\n", rate)
	}
}

// writeCommand returns a shell command that creates an activity, with psql if there is one.
func writeCommand(addr string, db database) string {
	if db.psql == "" {
		const body = `{"category":"Maintenance","subcategory":"Pump","location":"HQ","reporter":"you"}`
		return fmt.Sprintf(`curl -H 'Content-Type: application/json' -d '%s' http://%s/api/activities`, body, addr)
	}
	const insert = `insert into activities (category, subcategory, location, reporter) values ($$Maintenance$$, $$Pump$$, $$HQ$$, $$you$$)`
	return fmt.Sprintf(`%s %s -c '%s'`, quoteProgram(db.psql), quoteURL(db.url), insert)
}

// quoteProgram quotes the path of a program if a shell would split it.
func quoteProgram(path string) string {
	if strings.ContainsFunc(path, isSpecial) {
		return quote(path)
	}
	return path
}

// quoteURL quotes a connection string. In a URL it writes the characters that some shell takes for a quote with their
// codes; a string of names and values has no such form.
func quoteURL(text string) string {
	if !strings.HasPrefix(text, "postgres://") && !strings.HasPrefix(text, "postgresql://") {
		return quote(text)
	}
	var coded strings.Builder
	for i := range len(text) {
		if c := text[i]; c == '\'' || c <= ' ' || c > '~' {
			fmt.Fprintf(&coded, "%%%02X", c)
		} else {
			coded.WriteByte(c)
		}
	}
	return quote(coded.String())
}

// isSpecial reports whether a character of a path may mean something to a shell.
func isSpecial(c rune) bool {
	return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+", c)
}

// quote quotes text for a POSIX shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

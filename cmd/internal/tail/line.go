package tail

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// style is the parameter of an ANSI escape sequence (SGR); empty means no sequence.
type style string

// Styles from the 8 colours of every terminal, whose shades its user chooses.
const (
	styleNone    style = ""
	styleBold    style = "1"
	styleDim     style = "2"
	styleRed     style = "31"
	styleGreen   style = "32"
	styleYellow  style = "33"
	styleBlue    style = "34"
	styleMagenta style = "35"
	styleCyan    style = "36"
)

// line builds one line of output that is never wider than the terminal. It makes all text safe for a
// terminal.
type line struct {
	b     strings.Builder
	color bool
	left  int  // columns
	wide  bool // without a limit
	full  bool
}

// newLine returns an empty line of at most width columns; 0 means no limit. The last column is
// reserved for the ellipsis of a cut line.
func newLine(width int, color bool) *line {
	return &line{color: color, left: width - 1, wide: width <= 0}
}

// add appends text in a style and cuts it where the line is full.
func (l *line) add(s style, text string) *line {
	if l.full || text == "" {
		return l
	}
	if !l.wide {
		text = l.fit(text)
	}
	if text = plain(text); l.color && s != styleNone && text != "" {
		text = "\x1b[" + string(s) + "m" + text + "\x1b[0m"
	}
	l.b.WriteString(text)
	return l
}

// space appends a space.
func (l *line) space() *line { return l.add(styleNone, " ") }

// fit returns the part of text that fits. It reads no more than that, however long the text is.
func (l *line) fit(text string) string {
	for i, r := range text {
		n := columns(r)
		if isUnsafe(r) {
			n = len(escape(r))
		}
		if n > l.left {
			l.full = true
			return text[:i] + "…"
		}
		l.left -= n
	}
	return text
}

// String returns the line and its newline.
func (l *line) String() string { return l.b.String() + "\n" }

// wantsColor reports whether to colour an output, for a value of --color.
func wantsColor(flag string, w io.Writer) bool {
	switch flag {
	case "always":
		return true
	case "never":
		return false
	default:
		return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// widthOf returns a function that measures the terminal's present width, in columns; 0 if w is not a
// terminal.
func widthOf(w io.Writer) func() int {
	f, ok := w.(*os.File)
	if !ok || !isTerminal(w) {
		return func() int { return 0 }
	}
	return func() int {
		columns, _, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return 0
		}
		return columns
	}
}

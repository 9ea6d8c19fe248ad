package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// style is the parameter of an escape sequence that colours text; empty means none.
type style string

// The styles in use: the 8 colours that every terminal has, in whatever shade its owner chose.
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

// line is one line of output, which never becomes wider than the terminal. What is added to it
// may be anyone's text.
type line struct {
	b     strings.Builder
	color bool
	left  int  // columns
	wide  bool // there is no limit
	full  bool
}

// newLine returns an empty line of at most width columns; 0 means that there is no limit. The
// last column is for the sign that something was cut.
func newLine(width int, color bool) *line {
	return &line{color: color, left: width - 1, wide: width <= 0}
}

// add appends text in a style, made safe, and cuts it where the line is full.
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

// space appends a space between two parts.
func (l *line) space() *line { return l.add(styleNone, " ") }

// fit returns as much of text as fits. It looks no further, however long the text is.
func (l *line) fit(text string) string {
	for i, r := range text {
		n := columns(r)
		if isUnsafe(r) {
			n = len(spelled(r))
		}
		if n > l.left {
			l.full = true
			return text[:i] + "…"
		}
		l.left -= n
	}
	return text
}

// String returns the line with its end.
func (l *line) String() string { return l.b.String() + "\n" }

// wantsColor decides --color for one of the two outputs.
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

// widthOf returns a function that tells how wide the terminal is now, or 0 if w is none.
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

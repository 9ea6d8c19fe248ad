package main

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// isUnsafe is true for what must not reach a terminal as it is: control characters, which can
// begin an escape sequence, and invisible ones, which can make text look like other text. The
// joiner within many emoji is no danger.
func isUnsafe(r rune) bool {
	const zeroWidthJoiner = '\u200d'
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co) && r != zeroWidthJoiner
}

// plain returns s as a terminal may show it: what is unsafe is spelled out.
func plain(s string) string {
	if strings.IndexFunc(s, isUnsafe) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s { // an invalid byte comes as U+FFFD
		if isUnsafe(r) {
			b.WriteString(spelled(r))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func spelled(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r > 0xffff:
		return fmt.Sprintf(`\U%08x`, r)
	default:
		return fmt.Sprintf(`\u%04x`, r)
	}
}

// plainJSON returns a JSON text on one line, with what is unsafe escaped in JSON's own way: to
// a JSON parser it is the same value. Only within strings can anything be unsafe but the line
// breaks between tokens.
func plainJSON(s string) string {
	if strings.IndexFunc(s, isUnsafe) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			b.WriteByte(' ')
		case r > 0xffff && isUnsafe(r):
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		case isUnsafe(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// columns is how many columns a terminal gives a rune.
func columns(r rune) int {
	if r == '\u200d' || unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	default:
		return 1
	}
}

// brief writes a duration as a person would say it.
func brief(d time.Duration) string {
	if d < time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

package main

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

var (
	fencedCode   = regexp.MustCompile("(?ms)^( *)(```+)[^\n]*\n.*?^ *```+ *$")
	codeSpan     = regexp.MustCompile("(?s)`[^`]+?`")
	indentedCode = regexp.MustCompile(`(?m)(?:\n\n|\A)(?:(?:    |\t)[^\n]*\n)+`)
	inlineLink   = regexp.MustCompile(`\[[^\]]*\]\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)`)
	headingLine  = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
	linkOfText   = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// maskCode replaces what is code by spaces, so that every other byte keeps its position.
func maskCode(text string) string {
	for _, code := range []*regexp.Regexp{fencedCode, indentedCode, codeSpan} {
		text = code.ReplaceAllStringFunc(text, blank)
	}
	return text
}

// blank returns as many spaces as a text has bytes, with its line breaks.
func blank(text string) string {
	spaces := []byte(text)
	for i, b := range spaces {
		if b != '\n' {
			spaces[i] = ' '
		}
	}
	return string(spaces)
}

// rewriteLinks calls change with the target of each link and image that is not code, and puts what it returns in its place.
func rewriteLinks(text string, change func(target string) string) string {
	var out strings.Builder
	end := 0
	for _, found := range inlineLink.FindAllStringSubmatchIndex(maskCode(text), -1) {
		out.WriteString(text[end:found[2]])
		out.WriteString(change(text[found[2]:found[3]]))
		end = found[3]
	}
	return out.String() + text[end:]
}

// anchors returns the names of a page's headings, as GitHub makes them.
func anchors(text string) map[string]bool {
	names := map[string]bool{}
	for _, found := range headingLine.FindAllStringSubmatch(fencedCode.ReplaceAllStringFunc(text, blank), -1) {
		name := slug(linkOfText.ReplaceAllString(found[1], "$1"))
		unique := name
		for i := 1; names[unique]; i++ {
			unique = name + "-" + strconv.Itoa(i)
		}
		names[unique] = true
	}
	return names
}

// slug returns GitHub's name of a heading. The site uses the same, in .vitepress/config.mjs.
func slug(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsMark(r), unicode.IsNumber(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

package main

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// hit is one occurrence of a banned word.
type hit struct {
	line int // from 1
	word string
	text string // the line in which the occurrence starts, trimmed
}

// token is one word of a text or one part of an identifier.
type token struct {
	text       string
	start, end int // offsets of bytes
}

// scan returns the banned words in a text, in order.
func scan(text string, words []string) []hit {
	phrases := make(map[string][][]string) // by the first word
	for _, word := range words {
		parts := strings.Fields(word)
		phrases[parts[0]] = append(phrases[parts[0]], parts)
	}
	tokens := tokenize(text)
	var hits []hit
	for i, first := range tokens {
		for _, parts := range phrases[strings.ToLower(first.text)] {
			word := strings.Join(parts, " ")
			if !matches(text, tokens[i:], parts) || exactCase[word] && first.text != word {
				continue
			}
			hits = append(hits, hit{line: 1 + strings.Count(text[:first.start], "\n"), word: word, text: lineAt(text, first.start)})
		}
	}
	return hits
}

// matches reports whether the tokens begin with the parts of a phrase and nothing but layout stands
// between them.
func matches(text string, tokens []token, parts []string) bool {
	if len(tokens) < len(parts) {
		return false
	}
	for i, part := range parts {
		if strings.ToLower(tokens[i].text) != part {
			return false
		}
		if i > 0 && strings.Trim(text[tokens[i-1].end:tokens[i].start], " \t\r\n/*#_-") != "" {
			return false
		}
	}
	return true
}

// tokenize splits a text into words, and identifiers at underscores and capitals: newBell, new_bell
// and NEWBell are two tokens each. An apostrophe ends a word.
func tokenize(text string) []token {
	var tokens []token
	start := -1 // of the token that is being read
	var before rune
	flush := func(end int) {
		if start >= 0 {
			tokens = append(tokens, token{text[start:end], start, end})
		}
		start = -1
	}
	for i, r := range text {
		switch {
		case !unicode.IsLetter(r):
			flush(i)
		case start < 0:
			start = i
		case unicode.IsUpper(r) && (unicode.IsLower(before) || lowerFollows(text[i+utf8.RuneLen(r):])):
			flush(i)
			start = i
		}
		before = r
	}
	flush(len(text))
	return tokens
}

func lowerFollows(rest string) bool {
	r, _ := utf8.DecodeRuneInString(rest)
	return unicode.IsLower(r)
}

func lineAt(text string, offset int) string {
	start := strings.LastIndexByte(text[:offset], '\n') + 1
	line, _, _ := strings.Cut(text[start:], "\n")
	return strings.TrimSpace(line)
}

// isText reports whether the content of a file can be read as prose or code.
func isText(content []byte) bool {
	return utf8.Valid(content) && !bytes.ContainsRune(content, 0)
}

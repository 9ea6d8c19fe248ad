package collection

import (
	"bytes"
	"encoding/json"
	"iter"
)

// members yields the names and values of a JSON object, up to the first mistake. Both are parts of the text, so that a
// row is read without copies.
func members(text []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		rest, found := bytes.CutPrefix(skipSpace(text), []byte("{"))
		for found {
			var name, value []byte
			if name, rest = cutString(skipSpace(rest)); name == nil {
				return
			}
			rest, found = bytes.CutPrefix(skipSpace(rest), []byte(":"))
			if value, rest = cutValue(skipSpace(rest)); !found || len(value) == 0 {
				return
			}
			if !yield(unquoteName(name), value) {
				return
			}
			rest, found = bytes.CutPrefix(skipSpace(rest), []byte(","))
		}
	}
}

func skipSpace(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\n' || text[0] == '\t' || text[0] == '\r') {
		text = text[1:]
	}
	return text
}

// cutString splits the text after the string that it begins with. The string is nil if there is none.
func cutString(text []byte) (str, rest []byte) {
	if len(text) == 0 || text[0] != '"' {
		return nil, text
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return text[:i+1], text[i+1:]
		}
	}
	return nil, text
}

// cutValue splits the text after the JSON value that it begins with.
func cutValue(text []byte) (value, rest []byte) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			str, _ := cutString(text[i:])
			if str == nil {
				return nil, nil
			}
			if i += len(str) - 1; depth == 0 {
				return text[:i+1], text[i+1:]
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return text[:i], text[i:]
			}
			if depth--; depth == 0 {
				return text[:i+1], text[i+1:]
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return text[:i], text[i:]
			}
		}
	}
	return nil, nil // the object has no end
}

func unquoteName(name []byte) []byte {
	if bytes.IndexByte(name, '\\') < 0 {
		return name[1 : len(name)-1]
	}
	var text string
	if json.Unmarshal(name, &text) != nil {
		return nil
	}
	return []byte(text)
}

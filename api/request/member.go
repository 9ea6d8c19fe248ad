package request

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// LabelLength is the maximum length of a Label, in characters.
const LabelLength = 200

// Member describes one member of a JSON body and where its value goes. Exactly one of Text and Raw is set. A
// destination keeps its value if the member is not given.
type Member struct {
	Name     string
	Required bool
	Raw      *json.RawMessage // takes any value as the client wrote it, null included
	Text     **string         // takes a text
	Null     *bool            // becomes true for null; if nil, null is invalid
	Length   int              // of a text, maximum, in characters
	OneOf    []string         // valid texts; nil allows all
}

// Label returns a member with a short text of at most LabelLength characters.
func Label(name string, into **string) Member {
	return Member{Name: name, Text: into, Length: LabelLength}
}

// Required returns the member as one that must be given.
func Required(m Member) Member {
	m.Required = true
	return m
}

// Names lists the names of members for a problem.
func Names(members []Member) string {
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.Name
	}
	return strings.Join(names, ", ")
}

// set stores the value, or returns why it is invalid.
func (m *Member) set(raw json.RawMessage) (detail string) {
	if m.Raw != nil {
		*m.Raw = raw
		return ""
	}
	switch kind := kindOf(raw); {
	case kind == "null" && m.Null != nil:
		*m.Null = true
		return ""
	case kind == "null":
		return "must not be null"
	case kind != "a string":
		return "must be a string, not " + kind
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "is not valid JSON"
	}
	if !utf8.Valid(raw) || hasLoneSurrogate(raw, text) {
		return "is not valid Unicode"
	}
	if detail := m.check(text); detail != "" {
		return detail
	}
	*m.Text = &text
	return ""
}

func (m *Member) check(text string) (detail string) {
	switch n := utf8.RuneCountInString(text); {
	case strings.ContainsRune(text, 0):
		return "must not contain the character U+0000"
	case m.OneOf != nil && !slices.Contains(m.OneOf, text):
		return "must be one of " + strings.Join(m.OneOf, ", ")
	case n == 0:
		return "must not be empty"
	case n > m.Length:
		return fmt.Sprintf("must be at most %d characters long, not %d", m.Length, n)
	}
	return ""
}

// Labels reads a JSON array of at most most labels, or returns why it is invalid; item names one of them. It
// returns nil for null and for a value that was not given.
func Labels(raw json.RawMessage, item string, most int) (labels []string, detail string) {
	if raw == nil || kindOf(raw) == "null" {
		return nil, ""
	}
	var values []json.RawMessage
	if kind := kindOf(raw); kind != "an array" || json.Unmarshal(raw, &values) != nil {
		return nil, "must be an array of strings or null, not " + kind
	}
	if len(values) > most {
		return nil, fmt.Sprintf("has %d %ss: at most %d", len(values), item, most)
	}
	labels = make([]string, 0, len(values))
	for i, value := range values {
		var text *string
		m := Label("", &text)
		if detail := m.set(value); detail != "" {
			return nil, fmt.Sprintf("%s %d %s", item, i, detail)
		}
		labels = append(labels, *text)
	}
	return labels, ""
}

func kindOf(raw json.RawMessage) string {
	switch raw[0] {
	case '"':
		return "a string"
	case 'n':
		return "null"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "a boolean"
	default:
		return "a number"
	}
}

// hasLoneSurrogate reports whether a JSON string escapes one half of a surrogate pair without the other, which is
// no character. encoding/json silently replaces it by U+FFFD, so the text then has more of those than the client
// wrote.
func hasLoneSurrogate(raw []byte, text string) bool {
	raw = bytes.ReplaceAll(bytes.ToLower(raw), []byte(`\\`), nil) // an escaped backslash escapes nothing
	written := bytes.Count(raw, []byte("\uFFFD")) + bytes.Count(raw, []byte(`\ufffd`))
	return strings.Count(text, "\uFFFD") > written
}

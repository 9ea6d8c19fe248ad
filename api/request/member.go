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

// Member describes one member of a JSON body and its destination. Exactly one of Text and Raw is set. If the
// client does not send the member, the destination keeps its value.
type Member struct {
	Name     string
	Required bool
	Raw      *json.RawMessage // destination for any value, including null, in the client's spelling
	Text     **string         // destination for a string
	Null     *bool            // set to true by null; if nil, null is invalid
	Length   int              // maximum length of a string, in characters
	OneOf    []string         // the valid strings; nil allows all
}

// Label returns a member for a string of at most LabelLength characters.
func Label(name string, into **string) Member {
	return Member{Name: name, Text: into, Length: LabelLength}
}

// Required returns the member with Required set.
func Required(m Member) Member {
	m.Required = true
	return m
}

// Names returns the names of the members, separated by commas.
func Names(members []Member) string {
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.Name
	}
	return strings.Join(names, ", ")
}

// set stores the value. If the value is invalid, it returns why.
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

// Labels reads a JSON array of at most limit labels. If the array is invalid, it returns why; item is the word for
// one label. Labels returns nil for null and for a nil raw.
func Labels(raw json.RawMessage, item string, limit int) (labels []string, detail string) {
	if raw == nil || kindOf(raw) == "null" {
		return nil, ""
	}
	var values []json.RawMessage
	if kind := kindOf(raw); kind != "an array" || json.Unmarshal(raw, &values) != nil {
		return nil, "must be an array of strings or null, not " + kind
	}
	if len(values) > limit {
		return nil, fmt.Sprintf("has %d %ss: at most %d", len(values), item, limit)
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

// hasLoneSurrogate reports whether a JSON string escapes one half of a surrogate pair without the other.
// encoding/json silently replaces such a half by U+FFFD, so text contains more U+FFFD than the client wrote.
func hasLoneSurrogate(raw []byte, text string) bool {
	raw = bytes.ReplaceAll(bytes.ToLower(raw), []byte(`\\`), nil) // an escaped backslash escapes nothing
	written := bytes.Count(raw, []byte("\uFFFD")) + bytes.Count(raw, []byte(`\ufffd`))
	return strings.Count(text, "\uFFFD") > written
}

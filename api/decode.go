package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// bodyPatience is how long a client may take to send its body. The server as a whole has no such
// limit, since a stream of events is a request that never ends.
const bodyPatience = 30 * time.Second

// member is what a body may hold under one name. Values are texts, as all columns are, but where raw
// is set.
type member struct {
	name     string
	raw      *json.RawMessage // is set to whatever was given, as it stands there
	text     **string         // is set if a text was given, and stays nil otherwise
	null     *bool            // is set if null was given; where it is nil, null is refused
	longest  int              // characters
	oneOf    []string         // nil allows every text
	required bool
}

// decode reads the body of a request into members. Its error is a Problem that names every
// member that is wrong, not only the first. What it accepts, a UTF-8 database stores exactly as
// it was sent: nothing is replaced, cut or ignored.
func decode(w http.ResponseWriter, r *http.Request, maxBody int64, members []member) error {
	if err := checkMediaType(r.Header); err != nil {
		return err
	}
	data, err := readBody(w, r, maxBody)
	if err != nil {
		return err
	}
	return decodeBody(data, members)
}

func checkMediaType(h http.Header) error {
	detail := ""
	media, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	switch encoding := h.Get("Content-Encoding"); {
	case err != nil || media != "application/json":
		detail = "send the body with Content-Type: application/json"
	case params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8"):
		detail = "send the body in UTF-8"
	case encoding != "" && !strings.EqualFold(encoding, "identity"):
		detail = "send the body without Content-Encoding"
	default:
		return nil
	}
	return &Problem{Status: http.StatusUnsupportedMediaType, Detail: detail}
}

func readBody(w http.ResponseWriter, r *http.Request, maxBody int64) ([]byte, error) {
	control := http.NewResponseController(w)
	// Where the connection knows no deadlines, as in a test, there is nobody to wait for either.
	_ = control.SetReadDeadline(time.Now().Add(bodyPatience))
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, bodyTooLarge(tooLarge.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &Problem{Status: http.StatusRequestTimeout, Detail: "the body did not arrive in time"}
	case err != nil:
		return nil, badBody("the body ended early")
	}
	_ = control.SetReadDeadline(time.Time{}) // or the server would take it for the client's end
	return data, nil
}

func bodyTooLarge(limit int64) *Problem {
	return &Problem{
		Status: http.StatusRequestEntityTooLarge,
		Detail: "the body is too large: at most " + strconv.FormatInt(limit, 10) + " bytes",
	}
}

func badBody(detail string) *Problem { return &Problem{Status: http.StatusBadRequest, Detail: detail} }

func decodeBody(data []byte, members []member) error {
	given, err := parseObject(data)
	if err != nil {
		return err
	}
	var errs []FieldError
	seen := make(map[string]bool, len(members))
	for _, g := range given {
		if detail := takeFrom(g, members, seen); detail != "" {
			errs = append(errs, FieldError{shorten(g.name), detail})
		}
		seen[g.name] = true
	}
	for _, m := range members {
		if m.required && !seen[m.name] {
			errs = append(errs, FieldError{m.name, "is required"})
		}
	}
	if len(errs) > 0 {
		return invalid(errs...)
	}
	return nil
}

// takeFrom sets the member that is given, or says what is wrong with it.
func takeFrom(given rawMember, members []member, seen map[string]bool) string {
	i := slices.IndexFunc(members, func(m member) bool { return m.name == given.name })
	if i < 0 {
		return "is not known: " + nameList(members) + " are"
	}
	if seen[given.name] {
		return "is given twice"
	}
	return members[i].take(given.value)
}

// rawMember is a member of a JSON object as it stands in the body.
type rawMember struct {
	name  string
	value json.RawMessage
}

// parseObject returns the members of a JSON object in their order, repeated ones too.
func parseObject(data []byte) ([]rawMember, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, badBody("the body is empty: send a JSON object")
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(data, new(json.RawMessage)); errors.As(err, &syntax) {
		return nil, badBody(fmt.Sprintf("the body is not valid JSON at byte %d: %v", syntax.Offset, syntax))
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, badBody("the body is not a JSON object")
	}
	var given []rawMember
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, badBody("the body is not valid JSON")
		}
		g := rawMember{name: fmt.Sprint(name)}
		if err := d.Decode(&g.value); err != nil {
			return nil, badBody("the body is not valid JSON")
		}
		given = append(given, g)
	}
	return given, nil
}

// take sets the member, or says what is wrong with its value.
func (m *member) take(raw json.RawMessage) string {
	if m.raw != nil {
		*m.raw = raw
		return ""
	}
	switch kind := kindOf(raw); {
	case kind == "null" && m.null != nil:
		*m.null = true
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
	if !utf8.Valid(raw) || hasHalfSurrogate(raw, text) {
		return "is not valid Unicode"
	}
	if detail := m.check(text); detail != "" {
		return detail
	}
	*m.text = &text
	return ""
}

func (m *member) check(text string) string {
	switch n := utf8.RuneCountInString(text); {
	case strings.ContainsRune(text, 0):
		return "must not contain the character U+0000"
	case m.oneOf != nil && !slices.Contains(m.oneOf, text):
		return "must be one of " + strings.Join(m.oneOf, ", ")
	case n == 0:
		return "must not be empty"
	case n > m.longest:
		return fmt.Sprintf("must be at most %d characters long, not %d", m.longest, n)
	}
	return ""
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

// hasHalfSurrogate reports whether a JSON string escapes one half of a surrogate pair alone,
// which is no character: encoding/json has put U+FFFD in its place and said nothing, so there is
// more of that in the text than was written.
func hasHalfSurrogate(raw []byte, text string) bool {
	raw = bytes.ReplaceAll(bytes.ToLower(raw), []byte(`\\`), nil) // what follows is not escaped
	written := bytes.Count(raw, []byte("\uFFFD")) + bytes.Count(raw, []byte(`\ufffd`))
	return strings.Count(text, "\uFFFD") > written
}

func nameList(members []member) string {
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.name
	}
	return strings.Join(names, ", ")
}

// shorten makes what a client has sent fit to be repeated to it.
func shorten(s string) string {
	if runes := []rune(s); len(runes) > 60 {
		return string(runes[:60]) + "…"
	}
	return s
}

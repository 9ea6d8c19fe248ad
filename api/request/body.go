package request

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
	"strings"

	"github.com/pgherald/pgherald/api/problem"
)

// Decode reads the request's body, a JSON object of at most maxBody bytes, into the destinations of the members. Its error
// is a *problem.Problem.
func Decode(w http.ResponseWriter, r *http.Request, maxBody int64, members []Member) error {
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
	return problem.New(http.StatusUnsupportedMediaType, detail)
}

func readBody(w http.ResponseWriter, r *http.Request, maxBody int64) ([]byte, error) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	var ended *problem.Problem
	switch {
	case errors.As(err, &tooLarge):
		return nil, problem.BodyTooLarge(tooLarge.Limit)
	case errors.As(err, &ended): // the client's token ended before the body
		return nil, ended
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, problem.New(http.StatusRequestTimeout, "the body did not arrive in time")
	case err != nil:
		return nil, BadBody("the body ended early")
	}
	return data, nil
}

// BadBody returns the problem for a body that is invalid as a whole.
func BadBody(detail string) *problem.Problem { return problem.New(http.StatusBadRequest, detail) }

func decodeBody(data []byte, members []Member) error {
	given, err := parseObject(data)
	if err != nil {
		return err
	}
	var errs []problem.FieldError
	seen := make(map[string]bool)
	for _, g := range given {
		if detail := set(g, members, seen); detail != "" {
			errs = append(errs, problem.FieldError{Field: Shorten(g.name), Detail: detail})
		}
		seen[g.name] = true
	}
	for _, m := range members {
		if m.Required && !seen[m.Name] {
			errs = append(errs, problem.FieldError{Field: m.Name, Detail: "is required"})
		}
	}
	if len(errs) > 0 {
		return problem.InvalidFields(errs...)
	}
	return nil
}

// set stores a given value in the member of the same name. If the value is invalid, it returns why.
func set(given rawMember, members []Member, seen map[string]bool) (detail string) {
	i := slices.IndexFunc(members, func(m Member) bool { return m.Name == given.name })
	if i < 0 {
		return "is unknown: use " + Names(members)
	}
	if seen[given.name] {
		return "is given twice"
	}
	return members[i].set(given.value)
}

// rawMember is a member of a JSON object whose value is not decoded yet.
type rawMember struct {
	name  string
	value json.RawMessage
}

// parseObject returns the members of a JSON object in order, including those with a repeated name.
func parseObject(data []byte) ([]rawMember, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, BadBody("the body is empty: send a JSON object")
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(data, new(json.RawMessage)); errors.As(err, &syntax) {
		return nil, BadBody(fmt.Sprintf("the body is not valid JSON at byte %d: %v", syntax.Offset, syntax))
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, BadBody("the body is not a JSON object")
	}
	var given []rawMember
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, BadBody("the body is not valid JSON")
		}
		g := rawMember{name: fmt.Sprint(name)}
		if err := d.Decode(&g.value); err != nil {
			return nil, BadBody("the body is not valid JSON")
		}
		given = append(given, g)
	}
	return given, nil
}

// Shorten cuts a name that the client sent to 60 characters, so that a problem can quote it.
func Shorten(s string) string {
	if runes := []rune(s); len(runes) > 60 {
		return string(runes[:60]) + "…"
	}
	return s
}

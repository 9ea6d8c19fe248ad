package request

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/api/problem"
)

// sample is a body with members of each kind.
type sample struct {
	Name, Kind, Owner *string
	Free              bool // owner was null
}

func (s *sample) members() []Member {
	kind := Label("kind", &s.Kind)
	kind.OneOf = []string{"a", "b"}
	owner := Label("owner", &s.Owner)
	owner.Null = &s.Free
	return []Member{{Name: "name", Text: &s.Name, Length: 5, Required: true}, kind, owner}
}

func TestDecodeBody(t *testing.T) {
	text := func(s string) *string { return &s }
	for body, want := range map[string]sample{
		`{"name":"x"}`: {Name: text("x")},
		` { "name" : "x" , "kind" : "b" } ` + "\n": {Name: text("x"), Kind: text("b")},
		`{"name":"x","owner":null}`:                {Name: text("x"), Free: true},
		`{"name":"x","owner":"y"}`:                 {Name: text("x"), Owner: text("y")},
		`{"name":"äöü€😀"}`:                         {Name: text("äöü€😀")},
		`{"name":"\ud83d\ude00"}`:                  {Name: text("😀")},
		`{"name":"\uFFFD\ufffd` + "\uFFFD" + `"}`:  {Name: text("\uFFFD\uFFFD\uFFFD")},
		`{"name":"\\ud83"}`:                        {Name: text(`\ud83`)},
		`{"\u006eame":"x"}`:                        {Name: text("x")},
	} {
		var got sample
		if err := decodeBody([]byte(body), got.members()); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s differs (-want +got):\n%s", body, diff)
		}
	}
}

func TestDecodeBodyRejects(t *testing.T) {
	for body, want := range map[string]string{
		``:                             "the body is empty: send a JSON object",
		"  \n":                         "the body is empty: send a JSON object",
		`null`:                         "the body is not a JSON object",
		`[]`:                           "the body is not a JSON object",
		`"x"`:                          "the body is not a JSON object",
		`{"name":"x"`:                  "the body is not valid JSON at byte 11: unexpected end of JSON input",
		`{"name":"x",}`:                "the body is not valid JSON at byte 13: invalid character '}' looking for beginning of object key string",
		`{"name":"x"} {}`:              "the body is not valid JSON at byte 14: invalid character '{' after top-level value",
		`{"name":"x"}x`:                "the body is not valid JSON at byte 13: invalid character 'x' after top-level value",
		"{\"name\":\"\n\"}":            `the body is not valid JSON at byte 10: invalid character '\n' in string literal`,
		`{}`:                           "name is required",
		`{"Name":"x"}`:                 "Name is unknown: use name, kind, owner; name is required",
		`{"name":"x","name":"y"}`:      "name is given twice",
		`{"name":null}`:                "name must not be null",
		`{"name":7}`:                   "name must be a string, not a number",
		`{"name":-7}`:                  "name must be a string, not a number",
		`{"name":true}`:                "name must be a string, not a boolean",
		`{"name":["x"]}`:               "name must be a string, not an array",
		`{"name":{"x":1}}`:             "name must be a string, not an object",
		`{"name":""}`:                  "name must not be empty",
		`{"name":"ääääää"}`:            "name must be at most 5 characters long, not 6",
		`{"name":"a\u0000b"}`:          "name must not contain the character U+0000",
		"{\"name\":\"\xff\"}":          "name is not valid Unicode",
		`{"name":"\ud83d"}`:            "name is not valid Unicode",
		`{"name":"\ud83dx\ude00"}`:     "name is not valid Unicode",
		`{"name":"\\\ud83d"}`:          "name is not valid Unicode",
		`{"name":"\\ufffd\udfff"}`:     "name must be at most 5 characters long, not 7",
		`{"name":"x","kind":"c"}`:      "kind must be one of a, b",
		`{"name":"x","kind":null}`:     "kind must not be null",
		`{"name":1,"kind":2,"more":3}`: "name must be a string, not a number; kind must be a string, not a number; more is unknown: use name, kind, owner",
	} {
		var s sample
		err := decodeBody([]byte(body), s.members())
		var p *problem.Problem
		if !errors.As(err, &p) {
			t.Errorf("%s: %v, want a problem", body, err)
			continue
		}
		// A value that is both too long and not Unicode may be rejected for either.
		if p.Status != 400 || p.Detail != want && p.Detail != "name is not valid Unicode" {
			t.Errorf("%s:\n got %d %s\nwant 400 %s", body, p.Status, p.Detail, want)
		}
	}
}

func TestMediaType(t *testing.T) {
	for contentType, want := range map[string]bool{
		"application/json":                       true,
		"Application/JSON; charset=UTF-8":        true,
		`application/json;charset="utf-8"`:       true,
		"application/json; charset=iso-8859-1":   false,
		"application/json; charset":              false,
		"application/merge-patch+json":           false,
		"text/plain":                             false,
		"application/x-www-form-urlencoded":      false,
		"":                                       false,
		"application/json, application/json":     false,
		"application/json; charset=utf-8; odata": false,
	} {
		if got := checkMediaType(http.Header{"Content-Type": {contentType}}) == nil; got != want {
			t.Errorf("%q: accepted %v", contentType, got)
		}
	}
	compressed := http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}
	if problem.Of(checkMediaType(compressed)).Status != 415 {
		t.Error("a compressed body is accepted")
	}
}

func TestDecodeLimits(t *testing.T) {
	const body = `{"name":"x"}`
	for _, tt := range []struct {
		name string
		body io.Reader
		max  int64
		want int // 0 is no problem
	}{
		{"fits exactly", strings.NewReader(body), int64(len(body)), 0},
		{"too large by one", strings.NewReader(body), int64(len(body)) - 1, 413},
		{"one byte at a time", iotest.OneByteReader(strings.NewReader(body)), 100, 0},
		{"ends early", io.MultiReader(strings.NewReader(body[:5]), iotest.ErrReader(io.ErrUnexpectedEOF)), 100, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", tt.body)
			r.Header.Set("Content-Type", "application/json")
			var s sample
			err := Decode(httptest.NewRecorder(), r, tt.max, s.members())
			got := 0
			if err != nil {
				got = problem.Of(err).Status
			}
			if got != tt.want {
				t.Errorf("status is %d, want %d (%v)", got, tt.want, err)
			}
		})
	}
}

// An accepted value is the value that was sent, and PostgreSQL can store it.
func FuzzDecodeBody(f *testing.F) {
	for _, seed := range []string{
		`{"name":"x","kind":"a","owner":null}`, `{"name":"\ud83d\ude00"}`, `{"name":"\ud83d"}`, `{"name":"\\\ufffd"}`,
		"{\"name\":\"\xff\"}", `{"name":"\u0000"}`, `{"name":1,"name":[{}]}`, `[`, `{"name":"x"}}`, "\ufeff{}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var s sample
		if err := decodeBody(data, s.members()); err != nil {
			p := problem.Of(err)
			if p.Status != http.StatusBadRequest || p.Detail == "" {
				t.Fatalf("%q: problem %d %q", data, p.Status, p.Detail)
			}
			return
		}
		if s.Name == nil || s.Owner != nil && s.Free {
			t.Fatalf("%q is read as %+v", data, s)
		}
		var plain map[string]*string
		if err := json.Unmarshal(data, &plain); err != nil {
			t.Fatalf("%q is accepted: %v", data, err)
		}
		for name, got := range map[string]*string{"name": s.Name, "kind": s.Kind, "owner": s.Owner} {
			if diff := cmp.Diff(plain[name], got); diff != "" {
				t.Errorf("%q: %s differs: %s", data, name, diff)
			}
			if got != nil && (!utf8.ValidString(*got) || strings.ContainsRune(*got, 0) || *got == "") {
				t.Errorf("%q: %s is %q", data, name, *got)
			}
		}
	})
}

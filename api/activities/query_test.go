package activities

import (
	"encoding/base64"
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
)

const someID = "0190a1b2-c3d4-7e5f-8a9b-0123456789ab"

func TestPositionRoundTrip(t *testing.T) {
	for _, at := range []time.Time{
		time.Date(2026, 11, 24, 1, 2, 3, 456_789_000, time.UTC),
		time.Unix(0, 0),
		time.Unix(-1, 999_999_000),
		time.Date(-4711, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(294276, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
	} {
		text, err := positionOf(activity{ID: strings.ToUpper(someID), CreatedAt: request.Time{Time: at}})
		if err != nil {
			t.Fatal(err)
		}
		gotAt, gotID, err := parsePosition(*text)
		if err != nil || !gotAt.Equal(at) || gotID != someID {
			t.Errorf("%v: read back %v, %s, %v", at, gotAt, gotID, err)
		}
	}
}

func TestParseActivityQuery(t *testing.T) {
	q, err := parseActivityQuery("limit=7&status=open&status=done&assignedTo=&q=50%25_%5C")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"limit": 8, "status": []string{"open", "done"}, "assignedTo": []string{""}, "q": []string{`%50\%\_\\%`},
	}
	if diff := cmp.Diff(want, map[string]any(q.args)); diff != "" {
		t.Errorf("arguments differ (-want +got):\n%s", diff)
	}
	if q.limit != 7 || len(q.conditions) != 4 {
		t.Errorf("limit is %d, conditions are %q", q.limit, q.conditions)
	}
}

func TestParseQueryRejects(t *testing.T) {
	for raw, want := range map[string]string{
		"limit=0":                "query parameter limit must be a number from 1 to 500",
		"limit=501":              "query parameter limit must be a number from 1 to 500",
		"limit=":                 "query parameter limit must be a number from 1 to 500",
		"limit=1e2":              "query parameter limit must be a number from 1 to 500",
		"limit=1&limit=2":        "query parameter limit is given twice",
		"after=":                 "query parameter after is not what an earlier page gave as next",
		"after=x!":               "query parameter after is not what an earlier page gave as next",
		"after=a&after=b":        "query parameter after is given twice",
		"a=%ZZ":                  `the query string is malformed: invalid URL escape "%ZZ"`,
		"limit=1;after=2":        "the query string is malformed: invalid semicolon separator in query",
		"zz=1&Limit=2&limit=5":   "query parameter Limit is unknown: use limit, after; query parameter zz is unknown: use limit, after",
		"limit=5&" + long(200):   "query parameter " + long(60) + "… is unknown: use limit, after",
		"limit=9999999999999999": "query parameter limit must be a number from 1 to 500",
	} {
		_, err := parseNoteQuery(raw)
		if err == nil || err.Error() != want || problem.Of(err).Status != 400 {
			t.Errorf("%s:\n got %v\nwant %s", raw, err, want)
		}
	}
	for raw, want := range map[string]string{
		"status=":           "query parameter status must not be empty: leave it out for all",
		"status=a&status=":  "query parameter status must not be empty: leave it out for all",
		"q=%00":             "query parameter q must be UTF-8 text without the character U+0000",
		"reporter=a%FF":     "query parameter reporter must be UTF-8 text without the character U+0000",
		"assigned_to=x&q=y": "query parameter assigned_to is unknown: use limit, after, status, category, subcategory, location, reporter, assignedTo, q",
	} {
		_, err := parseActivityQuery(raw)
		if err == nil || err.Error() != want || problem.Of(err).Status != 400 {
			t.Errorf("%s:\n got %v\nwant %s", raw, err, want)
		}
	}
}

func long(n int) string { return strings.Repeat("x", n) }

func TestParseNotePosition(t *testing.T) {
	for _, id := range []int64{1, 35, 36, math.MaxInt64} {
		q, err := parseNoteQuery("after=" + *notePosition(id))
		if err != nil || q.before != id {
			t.Errorf("%d: read back %d, %v", id, q.before, err)
		}
	}
	for _, text := range []string{"%2B1", "01", "A", "1_0", "zzzzzzzzzzzzzzz", ""} {
		if _, err := parseNoteQuery("after=" + text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestParseUUID(t *testing.T) {
	for text, want := range map[string]bool{
		someID: true, strings.ToUpper(someID): true, "00000000-0000-0000-0000-000000000000": true,
		"": false, "1": false, someID[1:]: false, someID + "0": false, "{" + someID[1:35] + "}": false,
		strings.ReplaceAll(someID, "-", ""): false, strings.Replace(someID, "0", "g", 1): false,
		"0190a1b2-c3d4-7e5f-8a9b-01234567-9ab": false, "0190a1b2-c3d4-7e5f-8a9b-0123456789\x00b": false,
	} {
		if _, err := parseUUID(text); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A value of ?after= is either rejected, or exactly the text that the server issues for a timestamp within PostgreSQL's range.
func FuzzAfter(f *testing.F) {
	position, err := positionOf(activity{ID: someID, CreatedAt: request.Time{Time: time.Unix(1_764_000_000, 123_456_000)}})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{*position, (*position)[1:], *position + "\n", *position + "==", "", "\x00"} {
		f.Add(seed)
	}
	f.Add(base64.RawURLEncoding.EncodeToString(make([]byte, positionLen)))
	f.Fuzz(func(t *testing.T, text string) {
		q, err := parseActivityQuery("after=" + url.QueryEscape(text))
		if err != nil {
			if problem.Of(err).Status != 400 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		at := q.args["after_at"].(time.Time)
		again, err := positionOf(activity{ID: q.args["after_id"].(string), CreatedAt: request.Time{Time: at}})
		if err != nil || *again != text {
			t.Fatalf("%q is accepted, but the server issues %q, %v", text, *again, err)
		}
		if at.Year() < -4713 || at.Year() > 294276 {
			t.Fatalf("%q is accepted, with the time %v", text, at)
		}
	})
}

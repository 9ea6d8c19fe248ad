package api

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

const (
	defaultLimit = 50
	maxLimit     = 500
)

// notFromNext is what is wrong with an after that we have not made.
const notFromNext = "is not what an earlier page gave as next"

// activityQuery is the query string of GET /api/activities: which activities, from where in
// their order, and how many.
type activityQuery struct {
	conditions []string // SQL, never empty; what the client has sent is in args
	args       pgx.NamedArgs
	limit      int
}

// orNobody is the condition on assignedTo if one of its values is empty. It is not always this
// one, since an index finds what is assigned to somebody, and not this.
const orNobody = `(s.assignee_id = any(@assignedTo::text[]) or s.assignee_id is null)`

// filters are the parameters that may be repeated: an activity must have one of the values.
func filters() []struct{ name, condition string } {
	return []struct{ name, condition string }{
		{"status", `a.status = any(@status::text[])`},
		{"category", `a.category = any(@category::text[])`},
		{"subcategory", `a.subcategory = any(@subcategory::text[])`},
		{"location", `a.location = any(@location::text[])`},
		{"reporter", `a.reporter = any(@reporter::text[])`},
		{"assignedTo", `s.assignee_id = any(@assignedTo::text[])`},
		{"q", `(
        a.category ilike any(@q::text[])
        or a.subcategory ilike any(@q::text[])
        or a.location ilike any(@q::text[])
        or a.reporter ilike any(@q::text[])
    )`},
	}
}

// parseActivityQuery reads a raw query string. Its error is a Problem.
func parseActivityQuery(raw string) (q activityQuery, err error) {
	known := []string{"limit", "after"}
	for _, f := range filters() {
		known = append(known, f.name)
	}
	values, err := parseQuery(raw, known)
	if err != nil {
		return q, err
	}
	if q.limit, err = parseLimit(values); err != nil {
		return q, err
	}
	q.conditions, q.args = []string{"true"}, pgx.NamedArgs{"limit": q.limit + 1}
	if values.Has("after") {
		at, id, err := parsePosition(values.Get("after"))
		if err != nil {
			return q, badParameter("after", notFromNext)
		}
		q.where(`(a.created_at, a.id) < (@after_at::timestamptz, @after_id::uuid)`, "after_at", at)
		q.args["after_id"] = id
	}
	err = q.filter(values) // first: Go may copy q before or after a call in the same return
	return q, err
}

func (q *activityQuery) where(condition, name string, value any) {
	q.conditions = append(q.conditions, condition)
	q.args[name] = value
}

func (q *activityQuery) filter(values url.Values) error {
	for _, f := range filters() {
		wanted := values[f.name]
		switch {
		case len(wanted) == 0:
		case f.name == "q":
			q.where(f.condition, f.name, substrings(wanted))
		case f.name == "assignedTo" && slices.Contains(wanted, ""):
			q.where(orNobody, f.name, wanted)
		case slices.Contains(wanted, ""):
			return badParameter(f.name, "must not be empty: leave it out for all")
		default:
			q.where(f.condition, f.name, wanted)
		}
	}
	return nil
}

// substrings returns patterns that match what contains one of the texts, whatever is in them.
func substrings(texts []string) []string {
	escape := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)
	patterns := make([]string, len(texts))
	for i, text := range texts {
		patterns[i] = "%" + escape.Replace(text) + "%"
	}
	return patterns
}

// noteQuery is the query string of GET /api/activities/{id}/notes.
type noteQuery struct {
	before int64 // ids below this
	limit  int
}

func parseNoteQuery(raw string) (q noteQuery, err error) {
	values, err := parseQuery(raw, []string{"limit", "after"})
	if err != nil {
		return q, err
	}
	if q.limit, err = parseLimit(values); err != nil {
		return q, err
	}
	q.before = math.MaxInt64
	if !values.Has("after") {
		return q, nil
	}
	q.before, err = strconv.ParseInt(values.Get("after"), 36, 64)
	if err != nil || *notePosition(q.before) != values.Get("after") {
		return q, badParameter("after", notFromNext)
	}
	return q, nil
}

func notePosition(id int64) *string {
	text := strconv.FormatInt(id, 36)
	return &text
}

// parseQuery is strict where url.Values is not: a filter that is misspelt would show everything.
func parseQuery(raw string, known []string) (url.Values, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, badBody("the query string is malformed: " + shorten(strings.ToValidUTF8(err.Error(), "\uFFFD")))
	}
	var errs []FieldError
	for name, list := range values {
		detail := ""
		switch {
		case !slices.Contains(known, name):
			detail = "is not known: " + strings.Join(known, ", ") + " are"
		case (name == "limit" || name == "after") && len(list) > 1:
			detail = "is given twice"
		case slices.ContainsFunc(list, func(v string) bool { return !utf8.ValidString(v) || strings.ContainsRune(v, 0) }):
			detail = "must be UTF-8 text without the character U+0000"
		default:
			continue
		}
		errs = append(errs, FieldError{shorten(name), detail})
	}
	if len(errs) == 0 {
		return values, nil
	}
	slices.SortFunc(errs, func(a, b FieldError) int { return strings.Compare(a.Field, b.Field) })
	return nil, badFields("query parameter ", errs)
}

func parseLimit(values url.Values) (int, error) {
	if !values.Has("limit") {
		return defaultLimit, nil
	}
	limit, err := strconv.Atoi(values.Get("limit"))
	if err != nil || limit < 1 || limit > maxLimit {
		return 0, badParameter("limit", fmt.Sprintf("must be a number from 1 to %d", maxLimit))
	}
	return limit, nil
}

// A position is where a page of the list has ended: the creation time and id of its last
// activity. Rows that come and go meanwhile do not shift what follows, as they would with an
// offset. Its text is opaque, so that we may order by something else one day.
const positionLen = 8 + 4 + 16 // seconds, microseconds, id

// Postgres's times are within these, in seconds since 1970: 4713 BC and AD 294277.
const (
	minSeconds = -210_866_803_200
	maxSeconds = 9_224_318_016_000 - 1
)

var errMalformedPosition = errors.New("malformed position")

func positionOf(a activity) (*string, error) {
	id, err := parseUUID(a.ID)
	if err != nil {
		return nil, fmt.Errorf("read id of activity: %w", err)
	}
	b := binary.BigEndian.AppendUint64(make([]byte, 0, positionLen), uint64(a.CreatedAt.Unix()))
	b = binary.BigEndian.AppendUint32(b, uint32(a.CreatedAt.Nanosecond()/1000))
	text := base64.RawURLEncoding.EncodeToString(append(b, id[:]...))
	return &text, nil
}

func parsePosition(text string) (at time.Time, id string, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != positionLen || strings.ContainsAny(text, "\r\n") {
		return at, id, errMalformedPosition
	}
	seconds, micros := int64(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint32(b[8:])
	if seconds < minSeconds || seconds > maxSeconds || micros >= 1e6 {
		return at, id, errMalformedPosition
	}
	u := b[12:]
	id = fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
	return time.Unix(seconds, int64(micros)*1000).UTC(), id, nil
}

package activities

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

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
)

// notFromNext is the detail for a value of ?after= that the server did not issue.
const notFromNext = "is not what an earlier page gave as next"

// pageParams are the parameters of a list in pages.
var pageParams = []string{request.LimitParam, request.AfterParam}

// activityQuery is the parsed query string of GET /api/activities: filters, position and number of rows.
type activityQuery struct {
	conditions []string // SQL, never empty; the client's values are in args
	args       pgx.NamedArgs
	limit      int
}

// unassignedOr is the condition on assignedTo if one of its values is empty, which selects unassigned activities. Only the
// condition without "or" can use an index.
const unassignedOr = `(s.assignee_id = any(@assignedTo::text[]) or s.assignee_id is null)`

// filters returns the parameters that filter the list, each with its condition. Of a repeated parameter, any value may match.
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

// parseActivityQuery parses a raw query string. Its error is a Problem.
func parseActivityQuery(raw string) (q activityQuery, err error) {
	known := slices.Clone(pageParams)
	for _, f := range filters() {
		known = append(known, f.name)
	}
	values, err := request.Query(raw, known)
	if err != nil {
		return q, err
	}
	if q.limit, err = request.Limit(values); err != nil {
		return q, err
	}
	q.conditions, q.args = []string{"true"}, pgx.NamedArgs{"limit": q.limit + 1}
	if values.Has(request.AfterParam) {
		at, id, err := parsePosition(values.Get(request.AfterParam))
		if err != nil {
			return q, problem.InvalidParameter(request.AfterParam, notFromNext)
		}
		q.where(`(a.created_at, a.id) < (@after_at::timestamptz, @after_id::uuid)`, "after_at", at)
		q.args["after_id"] = id
	}
	err = q.filter(values) // not in the return statement, which could copy q before this call changes it
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
		case f.name == "q" && len(wanted) > maxTexts:
			return problem.InvalidParameter(f.name, request.TooManyValues(maxTexts))
		case f.name == "q":
			q.where(f.condition, f.name, substrings(wanted))
		case f.name == "assignedTo" && slices.Contains(wanted, ""):
			q.where(unassignedOr, f.name, wanted)
		case slices.Contains(wanted, ""):
			return problem.InvalidParameter(f.name, "must not be empty: leave it out for all")
		default:
			q.where(f.condition, f.name, wanted)
		}
	}
	return nil
}

// maxTexts is the maximum number of texts to search for. No index helps: each costs four comparisons a row.
const maxTexts = 10

// substrings returns LIKE patterns that match values that contain one of the texts literally.
func substrings(texts []string) []string {
	escape := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)
	patterns := make([]string, len(texts))
	for i, text := range texts {
		patterns[i] = "%" + escape.Replace(text) + "%"
	}
	return patterns
}

// noteQuery is the parsed query string of GET /api/activities/{id}/notes.
type noteQuery struct {
	before int64 // selects notes with lower ids
	limit  int
}

func parseNoteQuery(raw string) (q noteQuery, err error) {
	values, err := request.Query(raw, pageParams)
	if err != nil {
		return q, err
	}
	if q.limit, err = request.Limit(values); err != nil {
		return q, err
	}
	q.before = math.MaxInt64
	if !values.Has(request.AfterParam) {
		return q, nil
	}
	q.before, err = strconv.ParseInt(values.Get(request.AfterParam), 36, 64)
	if err != nil || *notePosition(q.before) != values.Get(request.AfterParam) {
		return q, problem.InvalidParameter(request.AfterParam, notFromNext)
	}
	return q, nil
}

func notePosition(id int64) *string {
	text := strconv.FormatInt(id, 36)
	return &text
}

// positionLen is the length of a position in bytes. A position holds the creation time and the id of the last activity of a
// page. Unlike an offset, it stays right when rows are inserted or deleted between two pages. Its text is opaque to clients,
// so that the order of the list can change later.
const positionLen = 8 + 4 + 16 // seconds, microseconds, id

// The range of PostgreSQL's timestamps in Unix seconds: 4713 BC to AD 294277.
const (
	minSeconds = -210_866_803_200
	maxSeconds = 9_224_318_016_000 - 1
)

var errMalformedPosition = errors.New("malformed position")

func positionOf(a activity) (*string, error) {
	id, err := parseUUID(a.ID)
	if err != nil {
		return nil, fmt.Errorf("parse the id of an activity: %w", err)
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

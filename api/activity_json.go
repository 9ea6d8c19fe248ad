package api

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// activity is what the API shows of an activity: what the payload of activity_created shows, and
// the rest of it.
type activity struct {
	ID           string        `json:"id"`
	Category     string        `json:"category"`
	Subcategory  string        `json:"subcategory"`
	Location     string        `json:"location"`
	Status       string        `json:"status"`
	Reporter     string        `json:"reporter"`
	AssignedTo   *string       `json:"assignedTo"`
	LatestUpdate *latestUpdate `json:"latestUpdate"`
	CreatedAt    instant       `json:"createdAt"`
	UpdatedAt    instant       `json:"updatedAt"`
	Timestamp    instant       `json:"timestamp"` // when it was created, as in activity_created
}

// latestUpdate is the newest note about an activity.
type latestUpdate struct {
	Notes      string `json:"notes"`
	AuthorID   string `json:"authorId"`
	UpdateType string `json:"updateType"`
}

// activityPage is a part of the list, newest first. Cursor is the stream's at that moment; Next
// is what to ask ?after= for the following part, and nil on the last one.
type activityPage struct {
	Activities []activity `json:"activities"`
	Cursor     string     `json:"cursor"`
	Next       *string    `json:"next"`
}

// note is one row of activity_updates.
type note struct {
	ID         int64   `json:"id"`
	ActivityID string  `json:"activityId"`
	Notes      string  `json:"notes"`
	AuthorID   string  `json:"authorId"`
	UpdateType string  `json:"updateType"`
	CreatedAt  instant `json:"createdAt"`
}

// notePage is a part of an activity's notes, as activityPage is of the list.
type notePage struct {
	Notes  []note  `json:"notes"`
	Cursor string  `json:"cursor"`
	Next   *string `json:"next"`
}

// instant is a time that becomes JSON as JavaScript's toISOString writes it, and as the triggers
// do: in UTC, cut to milliseconds.
type instant struct{ time.Time }

// MarshalJSON implements json.Marshaler.
func (i instant) MarshalJSON() ([]byte, error) {
	utc := i.UTC()
	if year := utc.Year(); year < 0 || year > 9999 { // Postgres and JavaScript go beyond
		return fmt.Appendf(nil, `"%+07d%s"`, year, utc.Format("-01-02T15:04:05.000Z")), nil
	}
	return utc.AppendFormat(nil, `"2006-01-02T15:04:05.000Z"`), nil
}

// scanActivity reads the columns of activitySQL.
func scanActivity(row pgx.CollectableRow) (activity, error) {
	var a activity
	var notes, authorID, updateType *string
	err := row.Scan(
		&a.ID, &a.Category, &a.Subcategory, &a.Location, &a.Status, &a.Reporter, &a.AssignedTo,
		&notes, &authorID, &updateType, &a.CreatedAt.Time, &a.UpdatedAt.Time,
	)
	a.Timestamp = a.CreatedAt
	if notes != nil && authorID != nil && updateType != nil {
		a.LatestUpdate = &latestUpdate{Notes: *notes, AuthorID: *authorID, UpdateType: *updateType}
	}
	return a, err
}

// scanNote reads the columns of noteColumns.
func scanNote(row pgx.CollectableRow) (note, error) {
	var n note
	err := row.Scan(&n.ID, &n.ActivityID, &n.Notes, &n.AuthorID, &n.UpdateType, &n.CreatedAt.Time)
	return n, err
}

// parseUUID accepts the usual spelling alone, 8-4-4-4-12 digits in either case. Postgres allows
// more, but one thing should have one URL.
func parseUUID(s string) (id [16]byte, err error) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, errors.New("not a UUID")
	}
	digits := strings.ReplaceAll(s, "-", "")
	if len(digits) != 2*len(id) {
		return id, errors.New("not a UUID")
	}
	_, err = hex.Decode(id[:], []byte(digits))
	return id, err
}

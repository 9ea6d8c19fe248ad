package activities

import (
	"encoding/hex"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/api/request"
)

// activity is an activity in a response: the payload of the event activity_created, and the columns that the
// payload leaves out.
type activity struct {
	ID           string        `json:"id"`
	Category     string        `json:"category"`
	Subcategory  string        `json:"subcategory"`
	Location     string        `json:"location"`
	Status       string        `json:"status"`
	Reporter     string        `json:"reporter"`
	AssignedTo   *string       `json:"assignedTo"`
	LatestUpdate *latestUpdate `json:"latestUpdate"`
	CreatedAt    request.Time  `json:"createdAt"`
	UpdatedAt    request.Time  `json:"updatedAt"`
	Timestamp    request.Time  `json:"timestamp"` // equals CreatedAt, as in activity_created
}

// latestUpdate is the newest note of an activity.
type latestUpdate struct {
	Notes      string `json:"notes"`
	AuthorID   string `json:"authorId"`
	UpdateType string `json:"updateType"`
}

// activityPage is one page of the list, newest first. Cursor is the cursor of its snapshot. Next is the value of
// ?after= for the next page, nil on the last one.
type activityPage struct {
	Activities []activity `json:"activities"`
	Cursor     string     `json:"cursor"`
	Next       *string    `json:"next"`
}

// note is one row of activity_updates.
type note struct {
	ID         int64        `json:"id"`
	ActivityID string       `json:"activityId"`
	Notes      string       `json:"notes"`
	AuthorID   string       `json:"authorId"`
	UpdateType string       `json:"updateType"`
	CreatedAt  request.Time `json:"createdAt"`
}

// notePage is one page of an activity's notes; Cursor and Next are those of activityPage.
type notePage struct {
	Notes  []note  `json:"notes"`
	Cursor string  `json:"cursor"`
	Next   *string `json:"next"`
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

// parseUUID parses a UUID in the form 8-4-4-4-12, in either case. PostgreSQL accepts more forms, but an activity
// must have one URL.
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

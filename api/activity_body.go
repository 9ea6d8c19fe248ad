package api

import (
	"net/http"
	"slices"
)

// What the tables allow, in characters. The database checks the same: this is for better answers.
const (
	maxLabel = 200
	maxNotes = 10_000
)

// newActivity is the body of POST /api/activities.
type newActivity struct {
	category, subcategory, location, reporter *string // required
	status, assignedTo                        *string // nil if not given
}

// activityChange is the body of PUT /api/activities/{id}, and of a PUT of its assignment. What
// is nil stays as it is.
type activityChange struct {
	category, subcategory, location, status *string
	assignedTo                              *string
	unassigns                               bool // excludes assignedTo
	notes, authorID, updateType             *string
	assignedBy                              *string
}

// newNote is the body of POST /api/activities/{id}/notes.
type newNote struct {
	notes, authorID *string // required
	updateType      *string
}

// edits reports whether c changes a column of the activity itself.
func (c *activityChange) edits() bool {
	return c.category != nil || c.subcategory != nil || c.location != nil || c.status != nil
}

func label(name string, into **string) member {
	return member{name: name, text: into, longest: maxLabel}
}

func required(m member) member {
	m.required = true
	return m
}

func notesMember(into **string) member {
	return member{name: "notes", text: into, longest: maxNotes}
}

func updateTypeMember(into **string) member {
	m := label("updateType", into)
	m.oneOf = []string{"status", "assignment", "general"}
	return m
}

func decodeNewActivity(w http.ResponseWriter, r *http.Request, maxBody int64) (in newActivity, err error) {
	var null bool // assigned to null is what leaving it out says too
	assignedTo := label("assignedTo", &in.assignedTo)
	assignedTo.null = &null
	err = decode(w, r, maxBody, []member{
		required(label("category", &in.category)),
		required(label("subcategory", &in.subcategory)),
		required(label("location", &in.location)),
		required(label("reporter", &in.reporter)),
		label("status", &in.status),
		assignedTo,
	})
	return in, err
}

func decodeChange(w http.ResponseWriter, r *http.Request, maxBody int64) (c activityChange, err error) {
	assignedTo := label("assignedTo", &c.assignedTo)
	assignedTo.null = &c.unassigns
	changes := []member{
		label("category", &c.category),
		label("subcategory", &c.subcategory),
		label("location", &c.location),
		label("status", &c.status),
		assignedTo,
		notesMember(&c.notes),
	}
	remarks := []member{label("authorId", &c.authorID), updateTypeMember(&c.updateType)}
	if err := decode(w, r, maxBody, slices.Concat(changes, remarks)); err != nil {
		return c, err
	}
	c.assignedBy = c.authorID
	switch {
	case c.notes != nil && c.authorID == nil:
		return c, invalid(FieldError{"authorId", "is required with notes"})
	case c.notes == nil && c.assignedTo == nil && !c.unassigns && !c.edits():
		return c, badBody("the body changes nothing: give at least one of " + nameList(changes))
	}
	return c, nil
}

func decodeAssignment(w http.ResponseWriter, r *http.Request, maxBody int64) (c activityChange, err error) {
	err = decode(w, r, maxBody, []member{
		required(label("assigneeId", &c.assignedTo)),
		label("assignedBy", &c.assignedBy),
	})
	return c, err
}

func decodeNewNote(w http.ResponseWriter, r *http.Request, maxBody int64) (in newNote, err error) {
	err = decode(w, r, maxBody, []member{
		required(notesMember(&in.notes)),
		required(label("authorId", &in.authorID)),
		updateTypeMember(&in.updateType),
	})
	return in, err
}

package activities

import (
	"net/http"
	"slices"

	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
)

// maxNotes is the maximum length of a note in characters. The tables check this and request.LabelLength too, but
// the handlers' checks name the member of the body.
const maxNotes = 10_000

// newActivity is the body of POST /api/activities.
type newActivity struct {
	category, subcategory, location, reporter *string // required
	status, assignedTo                        *string // nil if not given
}

// activityChange is the body of PUT /api/activities/{id} and of PUT on its assignment. Columns whose field is nil
// keep their values.
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

func notesMember(into **string) request.Member {
	return request.Member{Name: "notes", Text: into, Length: maxNotes}
}

func updateTypeMember(into **string) request.Member {
	m := request.Label("updateType", into)
	m.OneOf = updateTypes()
	return m
}

// updateTypes returns what a note can be about.
func updateTypes() []string { return []string{"status", "assignment", "general"} }

func decodeNewActivity(w http.ResponseWriter, r *http.Request, maxBody int64) (in newActivity, err error) {
	var null bool // a null assignedTo means the same as none
	assignedTo := request.Label("assignedTo", &in.assignedTo)
	assignedTo.Null = &null
	err = request.Decode(w, r, maxBody, []request.Member{
		request.Required(request.Label("category", &in.category)),
		request.Required(request.Label("subcategory", &in.subcategory)),
		request.Required(request.Label("location", &in.location)),
		request.Required(request.Label("reporter", &in.reporter)),
		request.Label("status", &in.status),
		assignedTo,
	})
	return in, err
}

func decodeChange(w http.ResponseWriter, r *http.Request, maxBody int64) (c activityChange, err error) {
	assignedTo := request.Label("assignedTo", &c.assignedTo)
	assignedTo.Null = &c.unassigns
	changes := []request.Member{
		request.Label("category", &c.category),
		request.Label("subcategory", &c.subcategory),
		request.Label("location", &c.location),
		request.Label("status", &c.status),
		assignedTo,
		notesMember(&c.notes),
	}
	remarks := []request.Member{request.Label("authorId", &c.authorID), updateTypeMember(&c.updateType)}
	if err := request.Decode(w, r, maxBody, slices.Concat(changes, remarks)); err != nil {
		return c, err
	}
	c.assignedBy = c.authorID
	switch {
	case c.notes != nil && c.authorID == nil:
		return c, problem.InvalidFields(problem.FieldError{Field: "authorId", Detail: "is required with notes"})
	case c.notes == nil && c.assignedTo == nil && !c.unassigns && !c.edits():
		return c, request.BadBody("the body changes nothing: give at least one of " + request.Names(changes))
	}
	return c, nil
}

func decodeAssignment(w http.ResponseWriter, r *http.Request, maxBody int64) (c activityChange, err error) {
	err = request.Decode(w, r, maxBody, []request.Member{
		request.Required(request.Label("assigneeId", &c.assignedTo)),
		request.Label("assignedBy", &c.assignedBy),
	})
	return c, err
}

func decodeNewNote(w http.ResponseWriter, r *http.Request, maxBody int64) (in newNote, err error) {
	err = request.Decode(w, r, maxBody, []request.Member{
		request.Required(notesMember(&in.notes)),
		request.Required(request.Label("authorId", &in.authorID)),
		updateTypeMember(&in.updateType),
	})
	return in, err
}

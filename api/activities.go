package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/gorilla/mux"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/stream"
)

// cursorHeader carries the cursor of what a response shows, for GET /api/events?since=.
const cursorHeader = "Pgherald-Cursor"

// Head returns the cursor of a REPEATABLE READ transaction's snapshot: it has seen exactly the
// transactions whose effects can be read in tx.
type Head func(ctx context.Context, tx pgx.Tx) (stream.Cursor, error)

// activities serves /api/activities. It writes to the tables like anybody else and knows nothing
// of the stream but the cursor that it hands out with what it reads.
type activities struct {
	store   activityStore
	maxBody int64
	logger  *slog.Logger
}

// newActivities serves the activities in a database. No body may be larger than maxBody bytes.
func newActivities(pool *pgxpool.Pool, head Head, maxBody int64, logger *slog.Logger) *activities {
	return &activities{store: activityStore{pool: pool, head: head}, maxBody: maxBody, logger: logger}
}

// routes adds the paths. reads and writes refuse who may not do the one or the other.
func (a *activities) routes(r *mux.Router, reads, writes func(identifiedHandler) http.HandlerFunc) {
	const all, one = "/api/activities", "/api/activities/{id}"
	for _, route := range []struct {
		path    string
		handler func(*activities, http.ResponseWriter, *http.Request) error
		methods []string
	}{
		{all, (*activities).list, []string{http.MethodGet, http.MethodHead}},
		{all, (*activities).create, []string{http.MethodPost}},
		{one, (*activities).get, []string{http.MethodGet, http.MethodHead}},
		{one, (*activities).change, []string{http.MethodPut}},
		{one, (*activities).remove, []string{http.MethodDelete}},
		{one + "/notes", (*activities).listNotes, []string{http.MethodGet, http.MethodHead}},
		{one + "/notes", (*activities).addNote, []string{http.MethodPost}},
		{one + "/assignment", (*activities).assign, []string{http.MethodPut}},
		{one + "/assignment", (*activities).unassign, []string{http.MethodDelete}},
	} {
		admit := writes
		if route.methods[0] == http.MethodGet {
			admit = reads
		}
		r.Handle(route.path, admit(a.answer(route.handler))).Methods(route.methods...)
	}
}

// answer turns a handler's error into a response, and tells the log of those that are ours.
func (a *activities) answer(handler func(*activities, http.ResponseWriter, *http.Request) error) identifiedHandler {
	return func(w http.ResponseWriter, r *http.Request, id auth.Identity) {
		if err := handler(a.of(id), w, r); err != nil {
			fail(a.logger, w, r, err)
		}
	}
}

// of is what serves one request of somebody.
func (a *activities) of(id auth.Identity) *activities {
	theirs := *a
	theirs.store.user = id
	return &theirs
}

// fail tells the client of an error, and the log if it is not the client's.
func fail(logger *slog.Logger, w http.ResponseWriter, r *http.Request, err error) {
	report(logger, r, err)
	writeProblem(w, r, err)
}

// report tells the log of errors that are not the client's.
func report(logger *slog.Logger, r *http.Request, err error) {
	status := problemOf(err).Status
	if status < 500 || errors.Is(err, context.Canceled) {
		return // the client knows, or is gone
	}
	level := slog.LevelError
	if status == http.StatusServiceUnavailable {
		level = slog.LevelWarn // it passes
	}
	logger.Log(r.Context(), level, "request not served",
		"method", r.Method, "path", r.URL.Path, "status", status, "error", err)
}

func (a *activities) list(w http.ResponseWriter, r *http.Request) error {
	query, err := parseActivityQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	page, err := a.store.list(r.Context(), query)
	if err != nil {
		return err
	}
	w.Header().Set(cursorHeader, page.Cursor)
	writeStatus(w, http.StatusOK, page)
	return nil
}

func (a *activities) create(w http.ResponseWriter, r *http.Request) error {
	in, err := decodeNewActivity(w, r, a.maxBody)
	if err != nil {
		return err
	}
	created, err := a.store.create(r.Context(), in)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/api/activities/"+created.ID)
	writeStatus(w, http.StatusCreated, created)
	return nil
}

func (a *activities) get(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	found, cursor, err := a.store.get(r.Context(), id)
	if err != nil {
		return err
	}
	w.Header().Set(cursorHeader, cursor)
	writeStatus(w, http.StatusOK, found)
	return nil
}

func (a *activities) change(w http.ResponseWriter, r *http.Request) error {
	return a.apply(w, r, decodeChange)
}

func (a *activities) assign(w http.ResponseWriter, r *http.Request) error {
	return a.apply(w, r, decodeAssignment)
}

// apply makes the change that a body asks for, and shows the activity after it.
func (a *activities) apply(w http.ResponseWriter, r *http.Request, decode func(http.ResponseWriter, *http.Request, int64) (activityChange, error)) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	change, err := decode(w, r, a.maxBody)
	if err != nil {
		return err
	}
	changed, err := a.store.change(r.Context(), id, change)
	if err != nil {
		return err
	}
	writeStatus(w, http.StatusOK, changed)
	return nil
}

func (a *activities) remove(w http.ResponseWriter, r *http.Request) error {
	return a.vanish(w, r, a.store.remove)
}

func (a *activities) unassign(w http.ResponseWriter, r *http.Request) error {
	return a.vanish(w, r, a.store.unassign)
}

// vanish removes something, of which there is nothing to show then.
func (a *activities) vanish(w http.ResponseWriter, r *http.Request, remove func(ctx context.Context, id string) error) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if err := remove(r.Context(), id); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *activities) listNotes(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	query, err := parseNoteQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	page, err := a.store.listNotes(r.Context(), id, query)
	if err != nil {
		return err
	}
	w.Header().Set(cursorHeader, page.Cursor)
	writeStatus(w, http.StatusOK, page)
	return nil
}

func (a *activities) addNote(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	in, err := decodeNewNote(w, r, a.maxBody)
	if err != nil {
		return err
	}
	added, err := a.store.addNote(r.Context(), id, in)
	if err != nil {
		return err
	}
	writeStatus(w, http.StatusCreated, added)
	return nil
}

// pathID returns the activity's id. One that is not a UUID is nobody's, like any other that does
// not exist, and must not reach Postgres, which would call it an error.
func pathID(r *http.Request) (string, error) {
	id := mux.Vars(r)["id"]
	if _, err := parseUUID(id); err != nil {
		return "", errNoActivity()
	}
	return id, nil
}

func errNoActivity() error {
	return &Problem{Status: http.StatusNotFound, Detail: "there is no activity with this id"}
}

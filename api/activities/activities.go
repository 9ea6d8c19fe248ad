// Package activities is the example application: an HTTP API for activities, their assignments and their notes
// at /api/activities.
//
// It uses the engine as any application does: a handler writes to its tables, and the triggers on them append the
// events. Every response to a read has the cursor of its snapshot.
//
// # Promises
//
//   - A stream opened with ?since= that cursor delivers every change after the snapshot, and none before it.
//   - Each write is one statement, so that every event shows the state after the whole write.
package activities

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/gorilla/mux"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/stream"
)

// Head returns the cursor of the snapshot of tx, a REPEATABLE READ transaction. The cursor contains exactly the
// transactions whose effects tx can read.
type Head func(ctx context.Context, tx pgx.Tx) (stream.Cursor, error)

// Pool begins transactions.
type Pool interface {
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}

// Pools are the pools of the same database for reads and for changes. They may be the same one, but then slow lists
// can take all connections.
type Pools struct{ Lists, Writes Pool }

// Options are the settings of Activities.
type Options struct {
	// WriteRole is the role that an identity needs for changes. With authentication, an empty role denies
	// all changes.
	WriteRole string
	// MaxBody is the maximum length of a request's body in bytes; 1 MiB if 0.
	MaxBody int64
	// Logger logs failed requests; nil discards them.
	Logger *slog.Logger
}

// Activities serves the activities of one database.
type Activities struct {
	store store
	opts  Options
}

// New returns the activities in the database of the pools. head is required.
func New(pools Pools, head Head, opts Options) *Activities {
	if opts.MaxBody <= 0 {
		opts.MaxBody = 1 << 20
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Activities{store: store{pools: pools, head: head}, opts: opts}
}

// Routes returns the routes for an API. Every identity may read; changes need the write role.
func (a *Activities) Routes() []api.Route {
	const all, one = "/api/activities", "/api/activities/{id}"
	reading := []string{http.MethodGet, http.MethodHead}
	return []api.Route{
		a.read(all, (*Activities).list, reading...),
		a.write(all, (*Activities).create, http.MethodPost),
		a.read(one, (*Activities).get, reading...),
		a.write(one, (*Activities).change, http.MethodPut),
		a.write(one, (*Activities).remove, http.MethodDelete),
		a.read(one+"/notes", (*Activities).listNotes, reading...),
		a.write(one+"/notes", (*Activities).addNote, http.MethodPost),
		a.write(one+"/assignment", (*Activities).assign, http.MethodPut),
		a.write(one+"/assignment", (*Activities).unassign, http.MethodDelete),
	}
}

// handler serves a request, or returns why it failed. a acts for the identity of the request.
type handler func(a *Activities, w http.ResponseWriter, r *http.Request) error

func (a *Activities) read(path string, handle handler, methods ...string) api.Route {
	return api.Route{Path: path, Methods: methods, Access: api.AnyIdentity(), Kind: admission.KindList, Handle: a.serve(handle)}
}

func (a *Activities) write(path string, handle handler, method string) api.Route {
	return api.Route{Path: path, Methods: []string{method}, Access: api.RequireRole(a.opts.WriteRole), Kind: admission.KindWrite, Handle: a.serve(handle)}
}

func (a *Activities) serve(handle handler) api.Handler {
	return func(w http.ResponseWriter, r *http.Request, id auth.Identity) {
		if err := handle(a.actingFor(id), w, r); err != nil {
			problem.Fail(a.opts.Logger, w, r, describe(err))
		}
	}
}

// actingFor returns a copy whose transactions act for the identity.
func (a *Activities) actingFor(id auth.Identity) *Activities {
	b := *a
	b.store.user = id
	return &b
}

func (a *Activities) list(w http.ResponseWriter, r *http.Request) error {
	query, err := parseActivityQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	page, err := a.store.list(r.Context(), query)
	if err != nil {
		return err
	}
	w.Header().Set(request.CursorHeader, page.Cursor)
	w.Header().Set("Allow", a.allowed())
	request.Respond(w, http.StatusOK, page)
	return nil
}

// allowed returns the methods that the identity may use on the list, so that a page can offer forms to those who may
// write only. Without authentication every client may.
func (a *Activities) allowed() string {
	id := a.store.user
	if id.User == "" || a.opts.WriteRole != "" && id.HasRole(a.opts.WriteRole) {
		return "GET, HEAD, POST"
	}
	return "GET, HEAD"
}

func (a *Activities) create(w http.ResponseWriter, r *http.Request) error {
	in, err := decodeNewActivity(w, r, a.opts.MaxBody)
	if err != nil {
		return err
	}
	created, err := a.store.create(r.Context(), in)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/api/activities/"+created.ID)
	request.Respond(w, http.StatusCreated, created)
	return nil
}

func (a *Activities) get(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	found, cursor, err := a.store.get(r.Context(), id)
	if err != nil {
		return err
	}
	w.Header().Set(request.CursorHeader, cursor)
	request.Respond(w, http.StatusOK, found)
	return nil
}

func (a *Activities) change(w http.ResponseWriter, r *http.Request) error {
	return a.apply(w, r, decodeChange)
}

func (a *Activities) assign(w http.ResponseWriter, r *http.Request) error {
	return a.apply(w, r, decodeAssignment)
}

// apply makes the change that the body describes, and responds with the changed activity.
func (a *Activities) apply(w http.ResponseWriter, r *http.Request, decode func(http.ResponseWriter, *http.Request, int64) (activityChange, error)) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	change, err := decode(w, r, a.opts.MaxBody)
	if err != nil {
		return err
	}
	changed, err := a.store.change(r.Context(), id, change)
	if err != nil {
		return err
	}
	request.Respond(w, http.StatusOK, changed)
	return nil
}

func (a *Activities) remove(w http.ResponseWriter, r *http.Request) error {
	return a.delete(w, r, a.store.remove)
}

func (a *Activities) unassign(w http.ResponseWriter, r *http.Request) error {
	return a.delete(w, r, a.store.unassign)
}

// delete calls remove for the activity of the path, and responds without a body.
func (a *Activities) delete(w http.ResponseWriter, r *http.Request, remove func(ctx context.Context, id string) error) error {
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

func (a *Activities) listNotes(w http.ResponseWriter, r *http.Request) error {
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
	w.Header().Set(request.CursorHeader, page.Cursor)
	request.Respond(w, http.StatusOK, page)
	return nil
}

func (a *Activities) addNote(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	in, err := decodeNewNote(w, r, a.opts.MaxBody)
	if err != nil {
		return err
	}
	added, err := a.store.addNote(r.Context(), id, in)
	if err != nil {
		return err
	}
	request.Respond(w, http.StatusCreated, added)
	return nil
}

// pathID returns the id of the activity in the path. For an id that is not a UUID it returns the same error as for
// an unknown one, since PostgreSQL could not parse it.
func pathID(r *http.Request) (string, error) {
	id := mux.Vars(r)["id"]
	if _, err := parseUUID(id); err != nil {
		return "", errNoActivity()
	}
	return id, nil
}

// Package collections serves the rows of watched tables at /api/collections.
//
// # Promises
//
//   - A client receives a row exactly if it would receive the row's events.
//   - A stream opened with ?since= the cursor of a response delivers every change after its snapshot, and none before it.
//   - A request that names something that does not exist learns what there is.
package collections

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/listing"
)

// Lists reads the rows.
type Lists interface {
	Page(ctx context.Context, name string, q listing.Query) (listing.Page, error)
	Row(ctx context.Context, name, key string, grants []string) (listing.Row, error)
}

// Collections serves the collections of one database.
type Collections struct {
	set    *collection.Set
	lists  Lists
	settle request.Settle
	logger *slog.Logger
}

// Options are optional settings.
type Options struct {
	// Settle waits until the set has the present collections; nil says that it always has.
	Settle request.Settle
	// Logger logs failed requests; nil discards them.
	Logger *slog.Logger
}

// New returns the collections of the set, whose rows the lists read. Without lists, as on a server without a database, only
// the description of the collections is served.
func New(set *collection.Set, lists Lists, o Options) *Collections {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Collections{set: set, lists: lists, settle: o.Settle, logger: o.Logger}
}

const path = "/api/collections"

// Routes returns the routes for an API. Every identity may read; its grants decide which rows.
func (c *Collections) Routes() []api.Route {
	route := func(path string, kind admission.Kind, handle handler) api.Route {
		return api.Route{Path: path, Methods: []string{http.MethodGet, http.MethodHead}, Access: api.AnyIdentity(), Kind: kind, Handle: c.serve(handle)}
	}
	rows := route(path+"/{rest:(?s:.*)}", admission.KindList, c.read) // a key may contain any character, also a slash
	if c.lists == nil {
		rows.Handle = nil
	}
	return []api.Route{route(path, "", c.describe), rows}
}

// handler serves a request, or returns why it failed.
type handler func(w http.ResponseWriter, r *http.Request, id auth.Identity) error

func (c *Collections) serve(handle handler) api.Handler {
	return func(w http.ResponseWriter, r *http.Request, id auth.Identity) {
		if err := handle(w, r, id); err != nil {
			problem.Fail(c.logger, w, r, describe(err))
		}
	}
}

// keyParam names a row whose key no path can contain: browsers resolve "..", and proxies decode slashes.
const keyParam = "key"

// read serves a list or a row.
func (c *Collections) read(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	name, key, isRow, err := splitPath(r.URL)
	if err != nil {
		return err
	}
	known := []string(nil)
	if keys, given := r.URL.Query()[keyParam]; given && !isRow {
		if len(keys) > 1 {
			return problem.InvalidParameter(keyParam, "is given twice")
		}
		key, isRow, known = keys[0], true, []string{keyParam}
	}
	if !isRow {
		return c.list(w, r, id, name)
	}
	found, err := request.Again(r.Context(), c.settle, func() (*collection.Collection, error) { return c.find(name) })
	if err != nil {
		return err
	}
	return c.row(w, r, id, found, key, known)
}

// find returns the collection of that name.
func (c *Collections) find(name string) (*collection.Collection, error) {
	found, err := c.set.Find(name)
	switch {
	case err != nil: // a *collection.WithheldError
		return nil, request.Withheld()
	case found == nil:
		return nil, c.unknown(name)
	}
	return found, nil
}

// splitPath returns the collection and the key in a URL. The router sees the decoded path, in which a slash of a key
// looks like one of the path.
func splitPath(u *url.URL) (name, key string, isRow bool, err error) {
	first, second, isRow := strings.Cut(strings.TrimPrefix(u.EscapedPath(), path+"/"), "/")
	name, nameErr := url.PathUnescape(first)
	key, keyErr := url.PathUnescape(second)
	if nameErr != nil || keyErr != nil {
		return "", "", false, problem.New(http.StatusBadRequest, "the path is malformed")
	}
	return name, key, isRow, nil
}

func (c *Collections) unknown(name string) error {
	var names []string
	for _, known := range c.set.All() {
		names = append(names, known.Name)
	}
	detail := "there is no collection " + strconv.Quote(request.Shorten(strings.ToValidUTF8(name, "\uFFFD")))
	switch {
	case len(names) == 0:
		detail += ": no table of the spec is a collection"
	default:
		detail += ": there are " + shortList(names)
	}
	return request.Unknown(problem.New(http.StatusNotFound, detail))
}

// maxListed bounds the names in a text.
const maxListed = 50

func shortList(names []string) string {
	if len(names) > maxListed {
		return strings.Join(names[:maxListed], ", ") + " and more: GET " + path + " lists them"
	}
	return strings.Join(names, ", ")
}

func (c *Collections) list(w http.ResponseWriter, r *http.Request, id auth.Identity, name string) error {
	q, err := request.Again(r.Context(), c.settle, func() (q listing.Query, err error) {
		from, err := c.find(name)
		if err == nil {
			q, err = parseQuery(r.URL.RawQuery, from)
		}
		return q, err
	})
	if err != nil {
		return err
	}
	q.Grants = id.Grants
	page, err := c.lists.Page(r.Context(), name, q)
	if err != nil {
		return err
	}
	defer page.Release()
	begin(w, page.Cursor)
	writePage(w, page)
	return nil
}

func (c *Collections) row(w http.ResponseWriter, r *http.Request, id auth.Identity, from *collection.Collection, key string, params []string) error {
	if _, err := request.Query(r.URL.RawQuery, params); err != nil {
		return err
	}
	if !utf8.ValidString(key) || strings.ContainsRune(key, 0) { // no text of PostgreSQL
		return noRow()
	}
	row, err := c.lists.Row(r.Context(), from.Name, key, id.Grants)
	if err != nil {
		return err
	}
	defer row.Release()
	begin(w, row.Cursor)
	_, _ = w.Write(append(row.Data, '\n')) // fails only if the client has gone
	return nil
}

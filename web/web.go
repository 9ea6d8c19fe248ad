// Package web serves the pages: the console at /, for any table, and the dashboard of the activities at /activities, which
// shows them, lets users change them, and lists the events and the state of the stream.
//
// Pages consist of plain ES modules and style sheets, without a framework, a build step or
// foreign origins. The server joins those of a page at the first request. All their URLs are relative, so a proxy may serve them under any path.
// docs/console.md and docs/dashboard.md describe them.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"
)

//go:embed console dashboard shared
var files embed.FS

// policy is the content security policy of the page. The page loads files and sends requests only
// from and to this server, and no other page may frame it. Inline scripts are blocked, so the
// payload of an event cannot become one.
const policy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"

// file is a file of the page, plain and compressed with gzip to about a third, which the first request for it does.
type file struct {
	name        string
	contentType string
	plain       variant
	zipped      func() variant
}

// variant is the content of a file in one encoding. HTTP requires a different ETag for each encoding.
type variant struct {
	content []byte
	etag    string
}

// Page returns a handler that serves the pages and their files to GET and HEAD requests. It responds
// to other paths with 404 and problem details (RFC 9457), as the API does. activities says whether the server has
// the API of the activities; without it there is no page at /activities, and no link to one. The first request joins the
// files: a server that starts has clients that wait for it.
func Page(activities bool) http.Handler {
	served := sync.OnceValue(func() map[string]*file { return loadPages(activities) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := served()[r.URL.Path]
		switch {
		case ok:
			f.serve(w, r)
		case activities && r.URL.Path == "/activities/":
			w.Header().Set("Location", "../activities") // relative: a proxy may serve the page under a path
			w.WriteHeader(http.StatusPermanentRedirect)
		default:
			notFound(w, r)
		}
	})
}

// loadPages returns what Page serves, by URL path.
func loadPages(activities bool) map[string]*file {
	served := load()
	console, dashboard := takePage(served, "console"), takePage(served, "dashboard")
	if activities {
		console = withLink(console)
		served["/activities"] = newFile("index.html", dashboard)
	}
	for name := range served {
		if strings.HasPrefix(name, "/shared/html/") {
			delete(served, name) // parts of pages, and no pages
		}
	}
	served["/"] = newFile("index.html", console)
	return served
}

// takePage removes the page of a folder from the files, and returns it with its modules joined. It panics if they cannot be, which
// only a bug can cause.
func takePage(served map[string]*file, dir string) []byte {
	name := "/" + dir + "/index.html"
	page, err := linkPage(served, dir, served[name].plain.content)
	if err != nil {
		panic(err)
	}
	delete(served, name)
	return page
}

// withLink returns the console with its link to the dashboard.
func withLink(page []byte) []byte {
	return bytes.Replace(page, []byte("<html "), []byte(`<html data-activities="elsewhere" `), 1)
}

// load reads the embedded files and returns them by URL path. It panics if it cannot read them,
// which only a bug can cause.
func load() map[string]*file {
	served := make(map[string]*file)
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		served["/"+name] = newFile(name, content)
		return nil
	})
	if err != nil {
		panic(err)
	}
	return served
}

func newFile(name string, content []byte) *file {
	return &file{
		name:        name,
		contentType: contentType(name),
		plain:       newVariant(content),
		zipped:      sync.OnceValue(func() variant { return newVariant(compress(content)) }),
	}
}

func newVariant(content []byte) variant {
	sum := sha256.Sum256(content)
	return variant{content: content, etag: fmt.Sprintf("%q", hex.EncodeToString(sum[:8]))}
}

// compress returns the content in gzip format. It panics on an error, which a buffer in memory never returns.
func compress(content []byte) []byte {
	var zipped bytes.Buffer
	w, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err)
	}
	return zipped.Bytes()
}

// acceptsGzip matches an Accept-Encoding that has gzip with a weight above zero.
var acceptsGzip = regexp.MustCompile(`(?i)(^|[,\s])gzip\s*(,|$|;\s*q=(1|0\.0*[1-9]))`)

// contentType returns the type for the extension of a file name. mime.TypeByExtension would read
// the machine's registry, which may hold a type for .js that browsers refuse to run.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		return "application/octet-stream"
	}
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache") // the browser revalidates each file; most responses are 304
	h.Set("Vary", "Accept-Encoding")
	sent := f.plain
	if acceptsGzip.MatchString(r.Header.Get("Accept-Encoding")) {
		sent = f.zipped()
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", sent.etag)
	http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(sent.content))
}

func notFound(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusNotFound)
	if r.Method == http.MethodHead {
		return
	}
	// An error means that the client is gone.
	_ = json.NewEncoder(w).Encode(map[string]any{
		"type":     "about:blank",
		"title":    http.StatusText(http.StatusNotFound),
		"status":   http.StatusNotFound,
		"detail":   "no page at this path: the console is at /, the stream at /api/events",
		"instance": r.URL.Path,
	})
}

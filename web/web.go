// Package web serves the dashboard: a page that shows the activities, lets users change them, and
// lists the events and the state of the stream.
//
// The dashboard consists of plain ES modules and style sheets, without a framework, a build step or
// foreign origins. All its URLs are relative, so a proxy may serve it under any path.
// docs/dashboard.md describes it.
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
	"time"
)

//go:embed dashboard
var files embed.FS

// policy is the content security policy of the page. The page loads files and sends requests only
// from and to this server, and no other page may frame it. Inline scripts are blocked, so the
// payload of an event cannot become one.
const policy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"

// file is a file of the page, plain and compressed with gzip to about a third.
type file struct {
	name        string
	contentType string
	plain       variant
	zipped      variant
}

// variant is the content of a file in one encoding. HTTP requires a different ETag for each encoding.
type variant struct {
	content []byte
	etag    string
}

// Page returns a handler that serves the page and its files to GET and HEAD requests. It responds
// to other paths with 404 and problem details (RFC 9457), as the API does. activities says whether the server has
// the API of the activities; otherwise the page asks for none, and so causes no 404.
func Page(activities bool) http.Handler {
	served := load()
	if !activities {
		served["/"] = newFile("index.html", withoutActivities(served["/"].plain.content))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := served[r.URL.Path]
		if !ok {
			notFound(w, r)
			return
		}
		f.serve(w, r)
	})
}

// withoutActivities marks the page of a server that watches other tables.
func withoutActivities(page []byte) []byte {
	return bytes.Replace(page, []byte("<html "), []byte(`<html data-activities="none" `), 1)
}

// load reads the embedded files and returns them by URL path. It panics if it cannot read them,
// which only a bug can cause.
func load() map[string]*file {
	page, err := fs.Sub(files, "dashboard")
	if err != nil {
		panic(err)
	}
	served := make(map[string]*file)
	err = fs.WalkDir(page, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(page, name)
		if err != nil {
			return err
		}
		served[pathOf(name)] = newFile(name, content)
		return nil
	})
	if err != nil {
		panic(err)
	}
	return served
}

func pathOf(name string) string {
	if name == "index.html" {
		return "/"
	}
	return "/" + name
}

func newFile(name string, content []byte) *file {
	return &file{
		name:        name,
		contentType: contentType(name),
		plain:       newVariant(content),
		zipped:      newVariant(compress(content)),
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
		sent = f.zipped
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
		"detail":   "no page at this path: the dashboard is at /, the stream at /api/events",
		"instance": r.URL.Path,
	})
}

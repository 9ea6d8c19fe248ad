// Package web holds the dashboard that a pgherald server shows at /: the activities as they are
// now, to look at and to change, every event that comes, and how the connection fares.
//
// The dashboard is plain ES modules and style sheets, without a framework, a build step or
// anything from elsewhere. It finds the server by relative URLs, so that it also works behind a
// proxy that serves it under a path of its own. docs/dashboard.md describes it.
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

// policy lets the page load what this server serves, and nothing else: whatever an event holds,
// it cannot become a script. Nobody may frame the page, and it sends nothing away.
const policy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"

// file is one file of the page, as it is and compressed: a third of it.
type file struct {
	name        string
	contentType string
	plain       variant
	zipped      variant
}

// variant is one of the ways in which a file travels. Each has a tag of its own, as HTTP wants.
type variant struct {
	content []byte
	etag    string
}

// Page returns a handler of GET and HEAD requests for the page and its files. What it does not
// have is answered with 404 and problem details (RFC 9457), as everywhere in the API.
func Page() http.Handler {
	served := load()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := served[r.URL.Path]
		if !ok {
			notFound(w, r)
			return
		}
		f.serve(w, r)
	})
}

// load returns the files by the paths that they are served at. It panics if the embedded files
// are not readable, which no input can bring about.
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

// compress panics if memory cannot be written to, which does not happen.
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

// takesGzip finds gzip in Accept-Encoding, unless it is refused with a weight of zero.
var takesGzip = regexp.MustCompile(`(?i)(^|[,\s])gzip\s*(,|$|;\s*q=(1|0\.0*[1-9]))`)

// contentType does not ask the system, as mime.TypeByExtension does: a machine's registry must
// not decide whether a browser takes our script for one.
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
	h.Set("Cache-Control", "no-cache") // asks each time, and is mostly told 304
	h.Set("Vary", "Accept-Encoding")
	sent := f.plain
	if takesGzip.MatchString(r.Header.Get("Accept-Encoding")) {
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
	// The client may be gone: there is nobody else to tell.
	_ = json.NewEncoder(w).Encode(map[string]any{
		"type":     "about:blank",
		"title":    http.StatusText(http.StatusNotFound),
		"status":   http.StatusNotFound,
		"detail":   "nothing is here: the page is at /, the stream at /api/events",
		"instance": r.URL.Path,
	})
}

package schema

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"sync"
	"time"
)

// Document serves a document, which it makes at the first request, and again after changes of what it describes.
type Document struct {
	mediaType string
	changes   func() uint64
	make      func() []byte

	mu   sync.Mutex
	of   uint64 // the changes that text has
	text []byte
	etag string
}

// NewDocument returns a document that make makes. changes counts the changes of what it describes.
func NewDocument(mediaType string, changes func() uint64, make func() []byte) *Document {
	return &Document{mediaType: mediaType, changes: changes, make: make}
}

// current returns the document and its ETag.
func (d *Document) current() (text []byte, etag string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := d.changes(); d.text == nil || d.of != now {
		d.text, d.of = d.make(), now
		sum := sha256.Sum256(d.text)
		d.etag = `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	}
	return d.text, d.etag
}

// ServeHTTP answers with the document, or with 304 if the client has it. A browser that has it must look each time, as a
// server may have another spec now, and other caches must not store it, as the server decides who may read it.
func (d *Document) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, etag := d.current()
	h := w.Header()
	h.Set("Content-Type", d.mediaType)
	h.Set("Cache-Control", "private, no-cache")
	h.Set("ETag", etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
}

package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Step answers one request.
type Step func(*Exchange)

// Exchange is a request and its answer.
type Exchange struct {
	*run
	w     http.ResponseWriter
	r     *http.Request
	begun bool
	q     string // the name of the request's only selection, if it has one
}

// Cursor returns the cursor of the request.
func (e *Exchange) Cursor() string {
	query := e.r.URL.Query()
	for _, cursor := range []string{e.r.Header.Get("Last-Event-ID"), query.Get("lastEventId"), query.Get("since")} {
		if cursor != "" {
			return cursor
		}
	}
	return ""
}

// After checks the cursor of the request.
func (e *Exchange) After(cursor string) *Exchange {
	if got := e.Cursor(); got != cursor {
		e.fail("it resumed after %q, want %q", got, cursor)
	}
	return e
}

// WithToken checks the token of the request.
func (e *Exchange) WithToken(n int) *Exchange {
	if got, want := e.r.Header.Get("Authorization"), fmt.Sprintf("Bearer token-%d", n); got != want {
		e.fail("%s %s has the authorization %q, want %q", e.r.Method, e.r.URL.Path, got, want)
	}
	return e
}

// NotWithin checks that the client has waited since the last answer. The tolerance is for clocks and timers.
func (e *Exchange) NotWithin(d time.Duration) *Exchange {
	e.mu.Lock()
	waited := time.Since(e.lastEnd)
	e.mu.Unlock()
	if waited < d-50*time.Millisecond {
		e.fail("it came back after %s, and not after %s", waited.Round(time.Millisecond), d)
	}
	return e
}

// Send sends a part of the stream in a chunk of its own.
func (e *Exchange) Send(text string) *Exchange {
	e.Begin()
	_, _ = io.WriteString(e.w, e.named(text)) // fails if the client has gone
	_ = http.NewResponseController(e.w).Flush()
	return e
}

// AsPage checks that the request is for a page, and whether the server shall wait for an event.
func (e *Exchange) AsPage(waits bool) *Exchange {
	accept, wait := e.r.Header.Get("Accept"), e.r.URL.Query().Get("wait")
	if !strings.Contains(accept, "application/json") || strings.Contains(accept, "text/event-stream") {
		e.fail("it requested %q, want a page", accept)
	}
	if d, err := time.ParseDuration(wait); waits != (err == nil && d > 0 && d <= 55*time.Second) {
		e.fail("it requested a page with wait=%q", wait)
	}
	return e
}

// Page answers with a page of events. Sync is the data of a sync event, or nothing.
func (e *Exchange) Page(cursor string, more bool, sync string, frames ...string) {
	e.JSON(e.page(cursor, more, sync, frames...))
}

func (e *Exchange) page(cursor string, more bool, sync string, frames ...string) string {
	if sync != "" {
		sync = `,"sync":` + sync
	}
	envelopes := strings.TrimSuffix(strings.ReplaceAll(strings.ReplaceAll(strings.Join(frames, ""), "data: ", ""), "\n\n", ","), ",")
	return fmt.Sprintf(`{"events":[%s],"cursor":%q,"more":%t%s}`, e.named(envelopes), cursor, more, sync)
}

// named gives the events of collections the name of the request's selection.
func (e *Exchange) named(text string) string {
	if e.q == "" {
		return text
	}
	return strings.ReplaceAll(text, `"op":`, fmt.Sprintf(`"q":[%q],"op":`, e.q))
}

// Begin sends the head of a stream, and nothing else.
func (e *Exchange) Begin() *Exchange {
	if !e.begun {
		e.begun = true
		e.w.Header().Set("Content-Type", "text/event-stream")
		e.w.Header().Set("Cache-Control", "no-store")
	}
	_ = http.NewResponseController(e.w).Flush()
	return e
}

// Abort breaks the connection.
func (e *Exchange) Abort() { panic(http.ErrAbortHandler) }

// Hold keeps the stream open until the run ends or the client goes.
func (e *Exchange) Hold() {
	select {
	case <-e.ctx.Done():
	case <-e.r.Context().Done():
	}
}

// Refuse answers with a status and header fields.
func (e *Exchange) Refuse(status int, header ...string) {
	for i := 0; i < len(header); i += 2 {
		e.w.Header().Set(header[i], header[i+1])
	}
	if e.w.Header().Get("Content-Type") == "" && status >= 400 {
		e.w.Header().Set("Content-Type", "application/problem+json")
	}
	e.w.WriteHeader(status)
	if status >= 400 {
		fmt.Fprintf(e.w, `{"status":%d,"title":%q}`, status, http.StatusText(status))
	}
}

// JSON answers with a document.
func (e *Exchange) JSON(text string) {
	e.w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(e.w, text)
}

// quick makes clients reconnect soon.
const quick = "retry: 1\n\n"

// withID puts an id line before a frame.
func withID(cursor, frame string) string { return "id: " + cursor + "\n" + frame }

// event returns the frame of an event of the log.
func event(id int, data string) string {
	return fmt.Sprintf(`data: {"id":%d,"type":"a","data":%s,"timestamp":1764000000000}`+"\n\n", id, data)
}

// row returns the frame of an event of a collection. Its transaction is 1000 + id.
func row(id int, members string) string {
	return fmt.Sprintf(`data: {"id":%d,"type":"order_updated",%s,"xid":"%d","timestamp":1764000000000}`+"\n\n", id, members, 1000+id)
}

func syncFrame(data string) string {
	return `data: {"type":"sync","data":` + data + `,"timestamp":1764000000000}` + "\n\n"
}

func live(cursor string) string { return quick + withID(cursor, syncFrame(`{"mode":"live"}`)) }

func resumed(cursor string) string {
	return quick + withID(cursor, syncFrame(`{"mode":"resumed"}`))
}

const heartbeat = `data: {"type":"heartbeat","data":{},"timestamp":1764000000000}` + "\n\n"

// end returns the frame after which a scenario of events is over.
func end(cursor string) string { return withID(cursor, event(999, `"end"`)) }

// isEnd is the output of end.
const isEnd = `999 "end"`

func isSame(rows map[string]json.RawMessage, want map[string]string) bool {
	if len(rows) != len(want) {
		return false
	}
	for key, row := range want {
		if canonical(rows[key]) != canonical(json.RawMessage(row)) {
			return false
		}
	}
	return true
}

// path returns the path of the request without the API's prefix. A row that is requested with ?key= has it as its last part.
func (e *Exchange) path() string {
	path := strings.TrimPrefix(e.r.URL.EscapedPath(), "/api/")
	if query := e.r.URL.Query(); query.Has("key") {
		path += "/" + query.Get("key")
	}
	return path
}

// isPost checks the method and the path of the request.
func (e *Exchange) isPost(path string) *Exchange {
	if e.r.Method != http.MethodPost || e.path() != path {
		e.fail("it requested %s %s, want POST %s", e.r.Method, e.path(), path)
	}
	return e
}

// count returns how often it was called with this name before.
func (e *Exchange) count(name string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.counts[name]
	e.counts[name]++
	return n
}

// version returns the state of the tables, after it has moved to n if that is later.
func (e *Exchange) version(n int) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.counts["version"] = max(e.counts["version"], n)
	return e.counts["version"]
}

// signal returns the channel of the run with this name.
func (e *Exchange) signal(name string) chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.signals[name] == nil {
		e.signals[name] = make(chan struct{})
	}
	return e.signals[name]
}

// await waits until the signal is closed, or the run ends.
func (e *Exchange) await(name string) {
	select {
	case <-e.signal(name):
	case <-e.ctx.Done():
	}
}

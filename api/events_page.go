package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/page"
	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/session"
	"github.com/pgherald/pgherald/stream"
)

const (
	defaultPageEvents = 100
	maxPageEvents     = 1000
	// pageBytes is the size at which a page ends: the time in which a slow client reads it, and the memory that it takes
	// meanwhile.
	pageBytes = 256 << 10
	// maxPageWait is the longest wait for events: below the minute after which many proxies give up.
	maxPageWait = 55 * time.Second
	// maxPageScan is the time after which a page ends that reads the log and finds few events for the client's filter.
	maxPageScan = 10 * time.Second
	// pageMaxAge is how long a cache may keep a page that does not change: not forever, since events may hold what is
	// deleted later.
	pageMaxAge = time.Hour
)

// pageRequest is a request for a page of events.
type pageRequest struct {
	api    *API
	w      http.ResponseWriter
	r      *http.Request
	client session.Client
	max    int
	wait   time.Duration
	// isCacheable says that the URL alone names the cursor.
	isCacheable bool

	page  *page.Page
	sub   *stream.Subscription
	state *stream.Sync // nil if the page just continues
	began time.Time

	mu            sync.Mutex // guards the fields below
	isInterrupted bool       // the client takes too long
	hasEnded      bool       // w can no longer be used
}

// answerWithoutStream answers a request for events if it is for no stream: for a page, or for the headers alone. It returns
// false if a stream must begin.
func (a *API) answerWithoutStream(w http.ResponseWriter, r *http.Request, client session.Client, query url.Values, filter stream.Filter) bool {
	if !page.Accepts(r.Header.Values("Accept")) {
		for _, name := range []string{"max", "wait"} {
			if query.Has(name) {
				problem.Write(w, r, problem.InvalidParameter(name, "is for pages of events: send the header Accept: application/json"))
				return true
			}
		}
		if r.Method == http.MethodHead {
			a.streams.WriteHeader(w, r)
		}
		return r.Method == http.MethodHead
	}
	p := &pageRequest{api: a, w: w, r: r, client: client, began: time.Now()}
	if err := p.parse(query); err != nil {
		problem.Write(w, r, err)
		return true
	}
	p.page = page.New(page.Options{Max: p.max, Bytes: pageBytes, Budget: a.pages, Begin: p.begin})
	defer p.page.Release()
	defer p.end()
	if err := p.serve(query, filter); err != nil {
		p.fail(err)
	}
	return true
}

// parse reads the parameters that a page has and a stream has not.
func (p *pageRequest) parse(query url.Values) error {
	p.max = defaultPageEvents
	if given, ok := query["max"]; ok {
		n, err := pageMax(given)
		if err != nil {
			return err
		}
		p.max = n
	}
	if given, ok := query["wait"]; ok {
		wait, err := time.ParseDuration(given[0])
		if len(given) != 1 || err != nil || wait < 0 || wait > maxPageWait {
			return problem.InvalidParameter("wait", "must be one time up to "+strconv.Itoa(int(maxPageWait.Seconds()))+"s, such as 25s")
		}
		p.wait = wait
	}
	if query.Has("batch") {
		return problem.InvalidParameter("batch", "has no effect on a page of events, which is a batch: leave it out, and use max and wait")
	}
	if p.r.Method == http.MethodHead {
		p.wait = 0 // there is no body to wait for
	}
	p.isCacheable = query.Has("since") && !query.Has("lastEventId") && p.r.Header.Get("Last-Event-ID") == ""
	return nil
}

// serve gathers the events and answers. It returns an error if it has written nothing, or if the client must not take what
// was written for an answer.
func (p *pageRequest) serve(query url.Values, filter stream.Filter) error {
	// The wait may be longer than the server's time for a response.
	_ = http.NewResponseController(p.w).SetWriteDeadline(time.Time{})
	cursor, malformed := cursorOf(p.r.Header, query)
	sub, sync, err := p.api.subscription(p.r.Context(), cursor, malformed, filter)
	if err != nil {
		return err
	}
	p.sub = sub
	if sync.Mode != stream.ModeResumed || sync.Repeats {
		sync.Events = nil
		p.state = &sync
	}
	switch sync.Mode {
	case stream.ModeStale:
		return errPageStale
	case stream.ModeResumed:
		return p.gather()
	}
	return p.finish()
}

// gather answers with the pending events, or waits for some.
func (p *pageRequest) gather() error {
	wait := p.wait
	if end := p.client.Identity.Expires; !end.IsZero() {
		wait = min(wait, time.Until(end)+time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(p.r.Context(), wait)
	defer cancel()
	defer context.AfterFunc(p.api.draining, cancel)()
	for {
		changed := p.api.config.Feed.Changed()
		found, err := p.advance()
		var reset *stream.ResetError
		switch {
		case errors.Is(err, errScanned):
			return p.respond(p.page.Finish(p.sub.Cursor(), true, p.state), true)
		case errors.Is(err, page.ErrFull), err != nil && p.page.Events() > 0 && !p.page.HasBegun():
			return p.respond(p.page.Cut(), true)
		case errors.As(err, &reset) && !p.page.HasBegun():
			p.state = &stream.Sync{Mode: stream.ModeReset, Reason: reset.Reason}
			return p.finish()
		case err != nil:
			return err
		case found:
			continue
		case p.page.Events() > 0 || ctx.Err() != nil:
			return p.finish()
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
		if err := p.r.Context().Err(); err != nil {
			return err
		}
	}
}

// errScanned says that a page has read the log for long enough.
var errScanned = errors.New("read the log for a page: it takes long to find events for the filter")

// maxPagePending is how many bytes of the feed are looked at between two checks.
const maxPagePending = 64 << 10

// advance adds pending events to the page. It reports whether more may be pending.
func (p *pageRequest) advance() (more bool, err error) {
	before := *p.sub
	bufs, err := p.sub.Pending(nil, maxPagePending)
	if len(bufs) > 0 {
		pin := p.sub.Pin(bufs, &before, p.interrupt)
		defer pin.Release()
		if err := p.page.Add(bufs); err != nil {
			return false, err
		}
	}
	if !errors.Is(err, stream.ErrBehind) {
		return len(bufs) > 0, err
	}
	ctx, stop := p.api.streams.WhileRead(p.r.Context())
	defer stop()
	return true, p.sub.CatchUp(ctx, stream.CatchUpClient{Emit: p.emit, Interrupt: p.interrupt})
}

// emit adds events of the log.
func (p *pageRequest) emit(bufs [][]byte) error {
	if len(bufs) == 0 && !p.page.HasBegun() && (time.Since(p.began) > p.api.pageScan || p.api.draining.Err() != nil) {
		return errScanned
	}
	return p.page.Add(bufs)
}

// finish answers with what was gathered, up to the newest event.
func (p *pageRequest) finish() error {
	if p.state == nil || p.state.Mode != stream.ModeReset {
		if lastRead, isStale := p.api.streams.Stale(); isStale {
			stale := stream.Stale(lastRead)
			p.state = &stale
		}
		if p.api.draining.Err() != nil {
			p.state = &stream.Sync{Mode: stream.ModeDraining}
		}
	}
	return p.respond(p.page.Finish(p.sub.Cursor(), false, p.state), false)
}

// respond writes a page, or its end. A page that more events follow does not change: caches may keep it.
func (p *pageRequest) respond(body [][]byte, more bool) error {
	if p.page.HasBegun() {
		return p.write(body...)
	}
	if err := p.api.checkIdentity(p.client.Identity); err != nil { // after the bytes were chosen
		return err
	}
	h := p.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if more && p.isCacheable && p.state == nil {
		p.setCacheHeaders(h)
		hash := sha256.New()
		for _, b := range body {
			hash.Write(b)
		}
		tag := `"` + base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:16]) + `"`
		h.Set("ETag", tag)
		if matchesTag(p.r.Header.Values("If-None-Match"), tag) {
			p.w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	size := 0
	for _, b := range body {
		size += len(b)
	}
	h.Set("Content-Length", strconv.Itoa(size))
	p.w.WriteHeader(http.StatusOK)
	return p.write(body...)
}

// setCacheHeaders says who may keep the page: shared caches only if neither the server nor, as it seems, a proxy in front of
// it identifies clients.
func (p *pageRequest) setCacheHeaders(h http.Header) {
	scope, age := "public", pageMaxAge
	if p.api.features.auth.Authenticator != nil || p.r.Header.Get("Authorization") != "" || p.r.Header.Get("Cookie") != "" {
		scope = "private"
		h.Add("Vary", "Authorization")
		if end := p.client.Identity.Expires; !end.IsZero() {
			age = max(0, min(age, time.Until(end)))
		}
	}
	h.Set("Cache-Control", scope+", max-age="+strconv.Itoa(int(age.Seconds()))+", immutable")
}

// fail answers a request that failed, or ends an answer that has begun, so that the client does not take it for whole.
func (p *pageRequest) fail(err error) {
	var ended *auth.Error
	switch {
	case p.page.HasBegun(), p.r.Context().Err() != nil:
		p.api.config.Logger.Info("page ended", "remote", p.client.Remote, "error", err)
		panic(http.ErrAbortHandler)
	case p.api.draining.Err() != nil:
		problem.Write(p.w, p.r, errPageDraining)
	case errors.As(err, &ended):
		p.api.refuse(p.w, p.r, err)
	default:
		if !errors.Is(err, errPageStale) {
			p.api.config.Logger.Warn("page not read", "remote", p.client.Remote, "error", err)
		}
		problem.Write(p.w, p.r, errPageStale)
	}
}

// matchesTag reports whether a header If-None-Match has the tag.
func matchesTag(header []string, tag string) bool {
	for part := range strings.SplitSeq(strings.Join(header, ","), ",") {
		if part = strings.TrimSpace(part); part == "*" || strings.TrimPrefix(part, "W/") == tag {
			return true
		}
	}
	return false
}

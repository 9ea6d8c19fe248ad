package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/pgherald/pgherald/api/problem"
)

// The answers when a page needs the log and cannot have it. An EventSource would not return after them; who asks for pages
// does.
var (
	errPageStale = &problem.Problem{Status: http.StatusServiceUnavailable, Code: "stale", RetryAfter: 2 * time.Second,
		Detail: "the server cannot read the event log at the moment: try again with the same cursor"}
	errPageDraining = &problem.Problem{Status: http.StatusServiceUnavailable, Code: "draining", RetryAfter: time.Second,
		Detail: "the server shuts down: try again with the same cursor"}
)

// errPageInterrupted says that others need the memory that a slow client holds.
var errPageInterrupted = errors.New("write a page: the client takes too long")

// begin begins the answer before the page is whole, and returns the function that writes its parts.
func (p *pageRequest) begin() (func(...[]byte) error, error) {
	if err := p.api.checkIdentity(p.client.Identity); err != nil {
		return nil, err
	}
	h := p.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would keep it in files
	p.w.WriteHeader(http.StatusOK)
	return func(bufs ...[]byte) error {
		if err := p.api.checkIdentity(p.client.Identity); err != nil {
			return err
		}
		return p.write(bufs...)
	}, nil
}

// maxPageWrite is how many bytes have the write timeout.
const maxPageWrite = 64 << 10

// write writes and flushes. A client must accept some bytes within the write timeout.
func (p *pageRequest) write(bufs ...[]byte) error {
	if p.r.Method == http.MethodHead {
		return nil
	}
	control := http.NewResponseController(p.w)
	for _, b := range bufs {
		for len(b) > 0 {
			if err := p.extendDeadline(control); err != nil {
				return err
			}
			n, err := p.w.Write(b[:min(len(b), maxPageWrite)])
			if err != nil {
				return err
			}
			b = b[n:]
		}
	}
	if err := control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	_ = control.SetWriteDeadline(time.Time{}) // on HTTP/2 it would end an answer that waits for the log
	return nil
}

// extendDeadline gives the next write the write timeout, unless the client was interrupted.
func (p *pageRequest) extendDeadline(control *http.ResponseController) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isInterrupted {
		return errPageInterrupted
	}
	_ = control.SetWriteDeadline(time.Now().Add(p.api.config.Streams.WriteTimeout)) // a recorder has none
	return nil
}

// interrupt makes a running write fail soon: the client takes too long, and others need the memory. Any goroutine may call
// it.
func (p *pageRequest) interrupt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.isInterrupted = true
	if !p.hasEnded {
		_ = http.NewResponseController(p.w).SetWriteDeadline(time.Unix(1, 0))
	}
}

// end says that the response can no longer be used.
func (p *pageRequest) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hasEnded = true
}

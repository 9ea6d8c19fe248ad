package api

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
)

// checkIdentity returns an *auth.Error if an identity has expired or was revoked. Without tokens, none does.
func (a *API) checkIdentity(id auth.Identity) error {
	switch {
	case id.Expires.IsZero():
		return nil
	case id.HasExpired(time.Now()):
		return auth.Expired()
	}
	return a.revocations.check(id)
}

// identifiedBody is the body of a request whose client is identified. A client can send the body long after the headers, so
// its end is an error if the identity has ended by then.
type identifiedBody struct {
	io.ReadCloser
	check func() error
}

// Read reads the body, and checks the identity at its end. The error is then a *problem.Problem.
func (b *identifiedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		if ended := b.check(); ended != nil {
			return n, problem.Of(ended)
		}
	}
	return n, err
}

// identifiedResponse is the response to a read by an identified client. A read can wait for a connection or a lock, and then
// see rows of after the end of the identity. So the identity is checked once the response has been chosen: if it has ended,
// the client receives that instead.
type identifiedResponse struct {
	http.ResponseWriter
	request  *http.Request
	check    func() error
	begun    bool
	replaced bool
}

// WriteHeader begins the response, or the one that replaces it.
func (w *identifiedResponse) WriteHeader(status int) {
	if w.begun {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.begun = true
	if status < http.StatusBadRequest {
		if err := w.check(); err != nil {
			w.replaced = true
			w.Header().Del(request.CursorHeader)
			problem.Write(w.ResponseWriter, w.request, err)
			return
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write writes a part of the body, and discards it if the response was replaced.
func (w *identifiedResponse) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	if w.replaced {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap serves http.ResponseController.
func (w *identifiedResponse) Unwrap() http.ResponseWriter { return w.ResponseWriter }

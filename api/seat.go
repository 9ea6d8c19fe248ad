package api

import (
	"errors"
	"net/http"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/auth"
)

// streamSlot is the admission of one stream and the client's address for the log: the connection's
// address with its port or, behind a trusted proxy, the address that the proxy reports.
type streamSlot struct {
	*admission.Slot
	remote string
}

// withSlot admits a request before it costs anything, then identifies the client and calls handle.
// handle must retain the slot if the stream outlives it.
func (a *API) withSlot(handle func(http.ResponseWriter, *http.Request, auth.Identity, *streamSlot)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		slot, err := a.config.Streams.Admission.Admit(r)
		if err != nil {
			a.reject(w, r, err)
			return
		}
		defer slot.ReleaseUnlessRetained()
		s := &streamSlot{Slot: slot, remote: r.RemoteAddr}
		if client, forwarded := slot.ClientAddr(); forwarded {
			s.remote = client.String()
		}
		a.identifiedBy(a.identifyStream, func(w http.ResponseWriter, r *http.Request, id auth.Identity) { handle(w, r, id, s) })(w, r)
	}
}

// reject answers a request for a stream that a limit forbids, and counts it.
func (a *API) reject(w http.ResponseWriter, r *http.Request, err error) {
	var rejection *admission.Rejection
	if errors.As(err, &rejection) {
		a.config.Metrics.Rejected(rejection.Limit)
	}
	a.refuse(w, r, err)
}

package api

import (
	"context"
	"time"

	"github.com/gorilla/mux"
)

// SetRenewalTimeout sets how long renewals wait for the answer of another server. Call it before the first request.
func (a *API) SetRenewalTimeout(d time.Duration) { a.renewalTimeout = d }

// Router returns the router of the handler.
func (a *API) Router() *mux.Router { return a.router() }

// SetPageScan sets how long a page may read the log. Call it before the first request.
func (a *API) SetPageScan(d time.Duration) { a.pageScan = d }

// PageBytesUsed returns the memory that pages have reserved.
func (a *API) PageBytesUsed() int64 { return a.pages.Used() }

// ReadAllRevocations reads them as a server does once a minute.
func (a *API) ReadAllRevocations(ctx context.Context) error {
	a.revocations.mu.Lock()
	a.revocations.fullAt = time.Time{}
	a.revocations.mu.Unlock()
	return a.revocations.read(ctx)
}

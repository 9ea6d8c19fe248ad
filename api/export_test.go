package api

import "time"

// SetRenewalTimeout sets how long renewals wait for the answer of another server. Call it before the first request.
func (a *API) SetRenewalTimeout(d time.Duration) { a.renewalTimeout = d }

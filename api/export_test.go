package api

import "time"

// WaitForRenewals sets how long to wait for another server's answer, before anybody asks: as long as
// a busy machine takes, or not at all where there is nobody to answer.
func (a *API) WaitForRenewals(d time.Duration) { a.patience = d }

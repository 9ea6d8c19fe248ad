package admission

import (
	"net/http"
	"net/netip"
)

// AdmitRequest counts a request until the caller calls release. Requests for streams need no admission of this kind, since
// Admit limits streams. The error is a *Rejection.
func (c *Controller) AdmitRequest(r *http.Request) (release func(), err error) {
	if c.opts.Requests == 0 {
		return func() {}, nil
	}
	client, _ := c.opts.Proxies.Client(r)
	key := NetworkOf(client)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.requestsOf[key] >= (c.opts.Requests+1)/2:
		return nil, &Rejection{LimitRequestsAddress, http.StatusTooManyRequests, randomSeconds(1, 10),
			"your address has too many requests in progress: wait for the answers"}
	case c.requests >= c.opts.Requests:
		return nil, &Rejection{LimitRequests, http.StatusServiceUnavailable, randomSeconds(1, 10),
			"the server has too many requests in progress: try again later"}
	}
	c.requests++
	c.requestsOf[key]++
	return func() { c.releaseRequest(key) }, nil
}

func (c *Controller) releaseRequest(key netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests--
	if c.requestsOf[key]--; c.requestsOf[key] == 0 {
		delete(c.requestsOf, key)
	}
}

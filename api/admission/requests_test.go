package admission_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/pgherald/pgherald/api/admission"
)

func TestRequests(t *testing.T) {
	proxies := admission.Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	c := admission.New(admission.Options{Requests: 4, Proxies: proxies})
	admit := func(addr, forwarded string) (func(), *admission.Rejection) {
		r := requestFrom(addr)
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		release, err := c.AdmitRequest(r)
		var rejection *admission.Rejection
		if err != nil && (!errors.As(err, &rejection) || rejection.RetryAfter < time.Second) {
			t.Fatalf("error %v", err)
		}
		return release, rejection
	}
	first, _ := admit("192.0.2.1:1", "")
	_, _ = admit("192.0.2.1:2", "")
	if _, r := admit("192.0.2.1:3", ""); r == nil || r.Limit != admission.LimitRequestsAddress || r.Status != 429 {
		t.Errorf("one address is rejected with %v", r)
	}
	for _, client := range []string{"2001:db8::1", "2001:db8::2"} { // of one network, behind a proxy
		if _, r := admit("10.0.0.1:1", client); r != nil {
			t.Errorf("a client of the proxy is rejected: %v", r)
		}
	}
	if _, r := admit("192.0.2.2:1", ""); r == nil || r.Limit != admission.LimitRequests || r.Status != 503 {
		t.Errorf("a request beyond the total is rejected with %v", r)
	}
	first()
	if _, r := admit("10.0.0.2:1", "2001:db8::3"); r == nil || r.Limit != admission.LimitRequestsAddress {
		t.Errorf("a third request of a network is rejected with %v", r)
	}
	if release, r := admit("192.0.2.2:1", ""); r != nil {
		t.Errorf("a request that ended makes no room: %v", r)
	} else {
		release()
	}
	if _, err := admission.New(admission.Options{}).AdmitRequest(requestFrom("192.0.2.1:1")); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}

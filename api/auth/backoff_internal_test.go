package auth

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/pgherald/pgherald/stream/backoff/backofftest"
)

type refusingTransport struct{ attempts int }

func (r *refusingTransport) RoundTrip(*http.Request) (*http.Response, error) {
	r.attempts++
	return nil, errors.New("connection refused by the test")
}

// Tokens with unknown keys arrive all the time, and the issuer does not answer.
func TestKeySetBacksOff(t *testing.T) {
	backofftest.Check(t, 14, func(t *testing.T) backofftest.Outage {
		transport := &refusingTransport{}
		options := Options{JWKS: "https://issuer.example/jwks", Client: &http.Client{Transport: transport}}.withDefaults()
		keys, err := fetchKeySet(t.Context(), options)
		if err == nil {
			t.Error("fetched from an issuer that refuses")
		}
		wake := func() {
			select {
			case keys.wanted <- struct{}{}:
			default:
			}
		}
		run := func(ctx context.Context) { keys.run(ctx) }
		return backofftest.Outage{Run: run, Wake: wake, Attempts: func() int { return transport.attempts }}
	})
}

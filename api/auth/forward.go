package auth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/pgherald/pgherald/stream/backoff"
)

// Limits of requests to the application.
const (
	forwardTimeout  = 5 * time.Second
	maxForwards     = 64       // in progress; further ones wait, until their time is over
	maxAnswerBody   = 64 << 10 // bytes
	maxAnswerHeader = 16 << 10 // bytes
	maxForwardedURI = 8 << 10  // bytes; web servers refuse longer lines
)

// ForwardOptions say how a Forward asks the application. URL is required.
type ForwardOptions struct {
	// URL is of the application, such as https://app.example.com/session. It must be https, except on this host or with
	// AllowHTTP.
	URL       string
	AllowHTTP bool
	// Headers are those of a request that the application receives; Cookie and Authorization if empty.
	Headers []string
	// RolesClaim and GrantsClaim are those of Options.
	RolesClaim, GrantsClaim string
	// Origins lists the origins, besides the server's own, whose pages may use what a browser sends by itself.
	Origins []string
	// Timeout bounds a request to the application, and the wait for earlier ones before it; 5 s if 0.
	Timeout time.Duration
	// Transport sends the requests. The default verifies TLS, uses no proxy, and keeps up to 64 connections.
	Transport http.RoundTripper
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Meter counts requests to the application; nil discards the counts.
	Meter ForwardMeter
	// Logger receives a line when the application cannot be reached, and when it can again, and at most one a minute about
	// answers that cannot be used. The default discards it.
	Logger *slog.Logger
}

// ForwardMeter counts how identities were found.
type ForwardMeter interface {
	// Forwarded counts a request whose identity the application gave or refused. took is 0 for OutcomeCached.
	Forwarded(outcome ForwardOutcome, took time.Duration)
}

// ForwardOutcome says how the application answered.
type ForwardOutcome string

// The outcomes.
const (
	OutcomeAccepted    ForwardOutcome = "accepted"    // it named the user
	OutcomeRefused     ForwardOutcome = "refused"     // it answered 401 or 403
	OutcomeInvalid     ForwardOutcome = "invalid"     // its answer says nothing about the user
	OutcomeUnavailable ForwardOutcome = "unavailable" // it did not answer in time
	OutcomeCached      ForwardOutcome = "cached"      // an earlier answer holds
)

// ForwardOutcomes returns all outcomes.
func ForwardOutcomes() []ForwardOutcome {
	return []ForwardOutcome{OutcomeAccepted, OutcomeRefused, OutcomeInvalid, OutcomeUnavailable, OutcomeCached}
}

// Forward authenticates requests by asking the application, which knows its sessions: it sends a request's credentials to
// the application's URL, and the answer names the user. It is safe for concurrent use.
//
// # Promises
//
//   - The application receives the named headers, and nothing of other hosts receives them: no redirect is followed.
//   - An answer holds for the credentials of its request alone, and for as long as it says, at most an hour.
//   - Without an answer that names a user, a request is refused. It is never treated as anonymous.
//   - Credentials are kept as a hash only, except during a request to the application.
type Forward struct {
	opts    ForwardOptions
	claims  claimReader
	client  *http.Client
	answers *answers
	slots   chan struct{}  // one for each request in progress
	down    *backoff.Retry // of the application: while it refuses connections, requests do not wait for it
	faults  faults         // of its answers
}

var (
	_ Authenticator = (*Forward)(nil)
	_ Refresher     = (*Forward)(nil)
)

// Refresher is an Authenticator that remembers identities.
type Refresher interface {
	// Refresh returns the identity of the client as Authenticate does, without what is remembered.
	Refresh(r *http.Request) (Identity, error)
	// Forget forgets the identities that match.
	Forget(matches func(Identity) bool)
}

// NewForward returns a Forward. The caller must call Run, which closes its connections.
func NewForward(opts ForwardOptions) (*Forward, error) {
	opts = opts.withDefaults()
	if err := checkForwardURL(opts.URL, opts.AllowHTTP); err != nil {
		return nil, fmt.Errorf("ask the application for identities: %w", err)
	}
	for i, name := range opts.Headers {
		opts.Headers[i] = http.CanonicalHeaderKey(name)
		if err := checkForwardedHeader(name); err != nil {
			return nil, fmt.Errorf("ask the application for identities: %w", err)
		}
	}
	return &Forward{
		opts: opts, claims: claimReader{opts.RolesClaim, opts.GrantsClaim}, answers: newAnswers(maxAnswersBytes),
		slots: make(chan struct{}, maxForwards), faults: faults{logger: opts.Logger},
		client: &http.Client{Transport: opts.Transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the credentials are for this URL alone
		}},
		down: backoff.New(backoff.Options{
			Min: 250 * time.Millisecond, Max: 2 * time.Second, Level: slog.LevelWarn, Logger: opts.Logger,
			Failing:   "application not reached, requests without a remembered identity are refused",
			Recovered: "application reached again",
		}),
	}, nil
}

func (o ForwardOptions) withDefaults() ForwardOptions {
	if len(o.Headers) == 0 {
		o.Headers = []string{"Cookie", "Authorization"}
	} else {
		o.Headers = append([]string{}, o.Headers...)
	}
	if o.RolesClaim == "" {
		o.RolesClaim = "roles"
	}
	if o.Timeout <= 0 {
		o.Timeout = forwardTimeout
	}
	if o.Transport == nil {
		o.Transport = forwardTransport(o.Timeout)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Meter == nil {
		o.Meter = noForwardMeter{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

type noForwardMeter struct{}

func (noForwardMeter) Forwarded(ForwardOutcome, time.Duration) {}

// forwardTransport returns a transport that ignores the proxies of the environment: credentials go to the application alone.
func forwardTransport(timeout time.Duration) *http.Transport {
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: timeout}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    timeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // a small body could become a large one
		MaxConnsPerHost:        maxForwards,
		MaxIdleConnsPerHost:    maxForwards,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: maxAnswerHeader,
	}
}

// checkForwardURL returns an error for a URL to which credentials must not be sent.
func checkForwardURL(text string, allowHTTP bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("the URL is no URL such as https://app.example.com/session")
	case u.User != nil:
		return errors.New("the URL has a user or a password: an application reads the credentials of its own users")
	case u.Fragment != "":
		return errors.New("the URL has a fragment, which is not sent: remove it")
	case u.Scheme == "http" && allowHTTP:
		return nil
	}
	if checkURL(text) != nil {
		return fmt.Errorf("%s is not https: sessions could be read on the way. Give an https URL, or, in a network that you trust, --auth-allow-http", u.Redacted())
	}
	return nil
}

// Run waits until ctx ends, and closes the connections.
func (f *Forward) Run(ctx context.Context) {
	<-ctx.Done()
	f.client.CloseIdleConnections()
}

// Forget forgets the answers about identities that match, such as those of a user whose streams an operator ended.
func (f *Forward) Forget(matches func(Identity) bool) { f.answers.forget(matches) }

// Authenticate returns the identity that the application gives to a request's credentials.
func (f *Forward) Authenticate(r *http.Request) (Identity, error) {
	return f.identify(r, time.Time{})
}

// Refresh does so with a new answer.
func (f *Forward) Refresh(r *http.Request) (Identity, error) {
	return f.identify(r, f.opts.Now())
}

// identify returns the identity by an answer to a request that began at since or later.
func (f *Forward) identify(r *http.Request, since time.Time) (Identity, error) {
	q, err := f.question(r)
	if err != nil {
		return Identity{}, err
	}
	a, cached, err := f.answers.find(r.Context(), q, f.opts.Now(), since, func() answer { return f.ask(r.Context(), q) })
	if err != nil {
		return Identity{}, err // the client has gone
	}
	if cached {
		f.opts.Meter.Forwarded(OutcomeCached, 0)
	}
	return a.id, a.err
}

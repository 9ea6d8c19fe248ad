package pgherald

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// TokenReason says why a client needs a token.
type TokenReason string

// The reasons for a token.
const (
	TokenConnect  TokenReason = "connect"  // for a request
	TokenRenew    TokenReason = "renew"    // the present one expires
	TokenRejected TokenReason = "rejected" // the server rejected the one that was returned last
)

// Options says how a client connects. The zero value is useful.
type Options struct {
	// Token returns a bearer token. After an error, the client tries again as after a lost connection.
	Token func(ctx context.Context, reason TokenReason) (string, error)
	// Header is sent with each request.
	Header http.Header
	// HTTPClient must have no Timeout. By default it is one that neither compresses nor buffers.
	HTTPClient *http.Client
	// Transport is how events are received. By default a stream, and pages where a proxy lets no stream through.
	Transport Transport
	// ConnectTimeout is the longest time until a stream has begun; 30 s by default. Once the server has responded, its
	// first event must come within 10 s of that.
	ConnectTimeout time.Duration
	// IdleTimeout is the silence after which a connection counts as dead; 75 s by default. It is 2.5 times the server's
	// heartbeat and 2 s if that is shorter.
	IdleTimeout time.Duration
	// MaxEventBytes bounds an event; 128 MiB by default.
	MaxEventBytes int
	// OnStatus receives what a stream or a collection does between events. It must not block.
	OnStatus func(Status)
}

// Status says what a stream or a collection does.
type Status struct {
	Err     error         // why the connection or the request ended, or why a frame was skipped
	RetryIn time.Duration // when the next attempt begins; 0: now, and with pages instead of a stream
	Skipped bool          // a frame is not an event; the stream goes on
}

// Client follows one server. Any number of goroutines may use it.
type Client struct {
	base    *url.URL
	options Options
	http    *http.Client
	jitter  func(time.Duration) time.Duration // random, in [0, argument)
}

const (
	defaultConnectTimeout = 30 * time.Second
	defaultIdleTimeout    = 75 * time.Second
	defaultMaxEventBytes  = 128 << 20
)

// eventsPath is the path of the stream on a server.
const eventsPath = "/api/events"

// New returns a client of the server with this base URL. The URL of its stream, which ends in /api/events, will do too;
// its parameters are sent with each stream. Errors never repeat the URL, which may hold a password.
func New(baseURL string, o Options) (*Client, error) {
	base, err := url.Parse(baseURL)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, errors.New("parse the server's URL: give one like https://example.com")
	}
	base.Path, base.RawPath = strings.TrimSuffix(strings.TrimSuffix(base.Path, "/"), eventsPath), ""
	base.Fragment = ""
	switch o.Transport {
	case TransportAuto, TransportStream, TransportPoll:
	default:
		return nil, fmt.Errorf("use the transport %q: there are TransportAuto, TransportStream and TransportPoll", o.Transport)
	}
	c := &Client{base: base, options: o.withDefaults(), http: o.HTTPClient, jitter: randomBelow}
	if c.http == nil {
		c.http = newHTTPClient()
	}
	return c, nil
}

func (o Options) withDefaults() Options {
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = defaultIdleTimeout
	}
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = min(defaultConnectTimeout, o.IdleTimeout)
	}
	if o.MaxEventBytes <= 0 {
		o.MaxEventBytes = defaultMaxEventBytes
	}
	if o.OnStatus == nil {
		o.OnStatus = func(Status) {}
	}
	return o
}

// newHTTPClient returns a client without a timeout: streams detect dead connections themselves. It requests no
// compression, because a compressor would delay events.
func newHTTPClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableCompression = true
	return &http.Client{Transport: t}
}

// Close closes the client's idle connections, unless the HTTP client is the caller's.
func (c *Client) Close() {
	if c.options.HTTPClient == nil {
		c.http.CloseIdleConnections()
	}
}

// Events yields the events of a stream until ctx ends, and each once. It yields the stream's own events too, but no
// heartbeats. An error is the last item: ctx's, or one that another attempt would not cure, such as a *RefusedError.
func (c *Client) Events(ctx context.Context, f Filter) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		for event, err := range c.Stream(f).Events(ctx) {
			if event != nil && event.IsHeartbeat {
				continue
			}
			if !yield(event, err) {
				return
			}
		}
	}
}

// url returns the URL of a path of the API. Each part is escaped.
func (c *Client) url(params url.Values, parts ...string) string {
	u := c.base.JoinPath("api")
	for _, part := range parts {
		u = u.JoinPath(escapeSegment(part))
	}
	u.RawQuery = params.Encode()
	return u.String()
}

// escapeSegment escapes a part of a path. JoinPath would resolve dots.
func escapeSegment(part string) string {
	if part == "." || part == ".." {
		return strings.ReplaceAll(part, ".", "%2E")
	}
	return url.PathEscape(part)
}

// newRequest returns a request with the client's headers and a token.
func (c *Client) newRequest(ctx context.Context, method, target string, reason TokenReason) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return nil, permanentError{errors.New("make a request: the server's URL is invalid")}
	}
	for name, values := range c.options.Header {
		req.Header[name] = values
	}
	if c.options.Token != nil {
		token, err := c.options.Token(ctx, reason)
		if err != nil {
			return nil, fmt.Errorf("get a token: %w", err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
	}
	return req, nil
}

package forward

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/pgherald/pgherald/api/auth"
)

// Target is where events go, as a URL says it.
type Target struct {
	shown     string
	isWebhook bool
	open      func(*Config) (sink, error)
}

// Shown returns the part of the URL that others may see: no password, and no path of a webhook, which may be a secret.
func (t *Target) Shown() string { return t.shown }

// IsWebhook reports whether the events go to an HTTP server, which verifies signatures.
func (t *Target) IsWebhook() bool { return t.isWebhook }

// ParseTarget reads a URL. It returns an error if events must not be sent there, which does not show the URL. Private addresses are permitted:
// the URL is the operator's choice. With plain, so is HTTP without TLS beyond loopback.
func ParseTarget(text string, plain bool) (t *Target, err error) {
	scheme, _, _ := strings.Cut(text, "://")
	kind, _, _ := strings.Cut(scheme, "+")
	switch kind {
	case "redis", "rediss", "valkey", "valkeys":
		t, err = redisTarget(text)
	case "nats", "tls":
		t, err = natsTarget(text)
	default:
		t, err = webhookTarget(text, plain)
	}
	if err != nil {
		return nil, fmt.Errorf("name the receiver: %w", err)
	}
	return t, nil
}

func webhookTarget(text string, plain bool) (*Target, error) {
	to, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("--to is no URL") // the error would show it
	}
	if err := checkWebhook(to, plain); err != nil {
		return nil, err
	}
	return &Target{
		shown: to.Scheme + "://" + to.Host, isWebhook: true,
		open: func(c *Config) (sink, error) { return newWebhook(c, to.String()) },
	}, nil
}

func checkWebhook(to *url.URL, plain bool) error {
	switch {
	case to.Host == "":
		return errors.New("give a URL like https://billing.example/events, redis://host:6379?stream=name or nats://host:4222?subject=name")
	case to.User != nil:
		return errors.New("a user or password in the URL would be shown; sign with a secret instead")
	case to.Fragment != "":
		return errors.New("the URL has a fragment (#…), which is not sent")
	case to.Scheme == "https":
		return nil
	case to.Scheme != "http":
		return fmt.Errorf("the scheme %q is not supported, use https, redis or nats", to.Scheme)
	case plain || auth.IsLocal(to):
		return nil
	}
	return errors.New("without TLS, events can be read on the way; use https, or --allow-http inside a private network")
}

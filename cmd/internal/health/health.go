// Package health asks a server whether it is well, for supervisors that can run a program but have no shell and no curl.
package health

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Config says which server to ask, and what.
type Config struct {
	// URL is the base URL of the server. Empty means the server that listens on Addr of this machine.
	URL string
	// Addr is the address that the server was configured to listen on, as host:port.
	Addr string
	// TLS says that the server on Addr speaks HTTPS.
	TLS bool
	// Path is the path of the check, such as /livez.
	Path string
	// Timeout is how long the answer may take.
	Timeout time.Duration
}

// maxBody bounds what is read of an answer: the reason is a sentence, but the address may belong to another program.
const maxBody = 4 << 10

// Check returns the body of a positive answer, otherwise an error with the reason.
func Check(ctx context.Context, c Config) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	base := c.URL
	if base == "" {
		var err error
		if base, err = localURL(c.Addr, c.TLS); err != nil {
			return "", err
		}
	}
	u, err := url.JoinPath(base, c.Path)
	if err != nil {
		return "", fmt.Errorf("build the URL of the check: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return "", fmt.Errorf("build the request of the check: %w", err)
	}
	return ask(newClient(c.URL == ""), request)
}

// ask sends the request and judges the answer.
func ask(client *http.Client, request *http.Request) (string, error) {
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("ask the server: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return "", fmt.Errorf("read the answer of %s: %w", request.URL.Redacted(), err)
	}
	text := strings.TrimSpace(string(body))
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answered %s: %s", request.URL.Redacted(), response.Status, text)
	}
	return text, nil
}

// newClient returns a client for one request. It follows no redirect: another program's page is no answer. The
// certificate of a local server names its public host, so that it cannot be verified by address; the request holds no
// secret.
func newClient(isLocal bool) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:             nil, // the check is about this server, and no proxy
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: isLocal, MinVersion: tls.VersionTLS12},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// localURL returns the URL of a server that listens on an address. For one on all addresses it is loopback.
func localURL(addr string, isTLS bool) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("read --addr: %w", err)
	}
	if port == "0" || port == "" {
		return "", errors.New("--addr has no fixed port: give the server's URL with --url")
	}
	switch ip := net.ParseIP(host); {
	case host == "", ip.Equal(net.IPv4zero):
		host = "127.0.0.1"
	case ip.Equal(net.IPv6unspecified):
		host = "::1"
	}
	scheme := "http"
	if isTLS {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port), nil
}

package forward

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// The bounds of an answer.
const (
	maxAnswer      = 64 << 10 // bytes that are read of a body, to use the connection again
	maxQuoted      = 200      // bytes of a body in a failure
	maxHeader      = 64 << 10
	maxRetryAfter  = 15 * time.Minute
	idleConnection = time.Minute
)

// webhook sends requests with the signatures of Standard Webhooks. It implements sink.
type webhook struct {
	client  *http.Client
	url     string
	keys    []*webhooks.Webhook
	isBatch bool // each body is an array
	timeout time.Duration
	agent   string
}

func newWebhook(c *Config, to string) (*webhook, error) {
	s := &webhook{url: to, isBatch: c.Batch > 1, timeout: c.Timeout, agent: "pgherald/" + c.Version}
	for _, secret := range c.Secrets {
		key, err := webhooks.NewWebhook(secret)
		if err != nil {
			return nil, errors.New("read the secret: it is no base64, as in whsec_… of Standard Webhooks") // the error could show it
		}
		s.keys = append(s.keys, key)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true // a small answer could become a large one
	transport.MaxResponseHeaderBytes = maxHeader
	transport.MaxConnsPerHost, transport.MaxIdleConnsPerHost = c.Parallel, c.Parallel
	transport.IdleConnTimeout = idleConnection
	s.client = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s, nil
}

func (s *webhook) close() { s.client.CloseIdleConnections() }

// send sends events in one request.
func (s *webhook) send(ctx context.Context, events []message) *failure {
	id, body := s.request(events)
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return &failure{text: "make the request: " + err.Error()}
	}
	if err := s.sign(request.Header, id, time.Now(), body); err != nil {
		return &failure{text: err.Error()}
	}
	response, err := s.client.Do(request)
	if err != nil {
		return &failure{text: s.explain(ctx, err)}
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if response.StatusCode/100 == 2 { // it has acknowledged, whatever becomes of the rest of the answer
		return nil
	}
	if err != nil {
		answer = nil
	}
	return refusal(response, answer)
}

// request returns the id and the body of a request.
func (s *webhook) request(events []message) (id string, body []byte) {
	id, body = events[0].id, events[0].envelope
	if !s.isBatch {
		return id, body
	}
	envelopes := make([][]byte, len(events))
	for n := range events {
		envelopes[n] = events[n].envelope
	}
	batchID, body := batchOf(envelopes)
	if events[0].isReset { // its envelope differs from attempt to attempt
		return id, body
	}
	return batchID, body
}

// batchOf returns the id and the body of a request with an array of events.
func batchOf(envelopes [][]byte) (id string, body []byte) {
	body = append(body, '[')
	body = append(body, bytes.Join(envelopes, []byte(","))...)
	body = append(body, ']')
	return "bat_" + hashOf(body), body
}

// sign sets the headers of Standard Webhooks, with a signature for each secret.
func (s *webhook) sign(h http.Header, id string, at time.Time, body []byte) error {
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", s.agent)
	h.Set(webhooks.HeaderWebhookID, id)
	h.Set(webhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	var signatures []string
	for _, key := range s.keys {
		signature, err := key.Sign(id, at, body)
		if err != nil {
			return fmt.Errorf("sign the request: %w", err)
		}
		signatures = append(signatures, signature)
	}
	if signatures != nil {
		h.Set(webhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	}
	return nil
}

// explain returns the text of an error without the URL, whose path may be secret.
func (s *webhook) explain(ctx context.Context, err error) string {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %v", s.timeout)
	}
	if of, ok := errors.AsType[*url.Error](err); ok {
		err = of.Err
	}
	return bound(err.Error())
}

// refusal returns the failure of an answer that acknowledges nothing.
func refusal(response *http.Response, answer []byte) *failure {
	f := &failure{text: "status " + strconv.Itoa(response.StatusCode)}
	switch response.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		f.isAboutEvent = true
	case http.StatusGone:
		f.isGone = true
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		f.retryAfter = retryAfter(response.Header.Get("Retry-After"))
	}
	if response.StatusCode/100 == 3 {
		f.text += ": redirects are not followed"
	}
	if len(answer) > 0 {
		f.text += ": " + strconv.QuoteToASCII(string(answer[:min(len(answer), maxQuoted)]))
	}
	return f
}

// retryAfter reads the header of that name: seconds or a date.
func retryAfter(value string) time.Duration {
	if value == "" {
		return 0
	}
	wait := time.Duration(0)
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = time.Until(at)
	}
	return min(max(0, wait), maxRetryAfter)
}

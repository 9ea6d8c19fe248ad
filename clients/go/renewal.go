package pgherald

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
)

// renewalRetry is the delay before another attempt to renew a token.
const renewalRetry = 5 * time.Second

// errOtherRights says that the new token has other rights: the stream lasts until the old one expires.
var errOtherRights = errors.New("the new token has other rights")

// renew renews the token of a stream, again and again until ctx ends. It calls reconnect if that is impossible. The
// end of the token is by the server's clock, so the first event's timestamp says how much time is left.
func (c *Client) renew(ctx context.Context, first *Event, reconnect func()) {
	server := func(at time.Time) time.Time { return at } // the server's time of one of ours
	if offset := time.Until(first.Time()); first.Timestamp != 0 {
		server = func(at time.Time) time.Time { return at.Add(offset) }
	}
	var pause time.Duration // the least one: a server that does not extend the token must not make the client spin
	for expires := first.Sync.Expires; expires > 0; pause = minBackoff {
		left := time.UnixMilli(expires).Sub(server(time.Now()))
		// When a fifth of the time is left, or a minute if that is more, but at most half of it.
		if sleep(ctx, max(pause, left-max(left/5, min(time.Minute, left/2)))) != nil {
			return
		}
		next, err := c.renewUntil(ctx, first.Sync.Connection, func() bool {
			return time.UnixMilli(expires).Sub(server(time.Now())) > renewalRetry
		})
		if ctx.Err() != nil || errors.Is(err, errOtherRights) {
			return
		}
		if err != nil {
			reconnect()
			return
		}
		expires = next
	}
}

// renewUntil tries to renew the token as long as there is time. It returns the new end.
func (c *Client) renewUntil(ctx context.Context, connection string, hasTime func() bool) (int64, error) {
	for {
		expires, err := c.postToken(ctx, connection)
		var refused *RefusedError
		switch {
		case err == nil:
			return expires, nil
		case errors.As(err, &refused) && refused.Status == http.StatusConflict:
			return 0, errOtherRights
		case errors.As(err, &refused) && refused.Status == http.StatusNotFound, !hasTime():
			return 0, err
		}
		if err := sleep(ctx, renewalRetry); err != nil {
			return 0, err
		}
	}
}

func (c *Client) postToken(ctx context.Context, connection string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.IdleTimeout)
	defer cancel()
	req, err := c.newRequest(ctx, http.MethodPost, c.url(nil, "events", connection, "token"), TokenRenew)
	if err != nil {
		return 0, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return 0, requestError(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return 0, newRefusedError(res)
	}
	var answer struct{ Expires int64 }
	err = json.NewDecoder(io.LimitReader(res.Body, 16<<10)).Decode(&answer)
	return answer.Expires, err
}

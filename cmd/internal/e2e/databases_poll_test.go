package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/pgherald/pgherald/stream"
)

// errAgain ends a page after which the client asks again.
var errAgain = errors.New("ask again")

// poll reads one page of events, as a client without a stream does.
func (f *follower) poll(ctx context.Context) error {
	at := fmt.Sprintf("%s&max=%d&wait=1s&since=%s", f.address(), 1+f.rng.IntN(100), url.QueryEscape(f.cursor))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	response, err := f.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if notYet(response.StatusCode) { // the server is stale for a moment
		pause(ctx, askAgain)
		return errAgain
	}
	var page struct {
		Events []collectionEvent
		Cursor string
		Sync   json.RawMessage
	}
	if err := json.NewDecoder(response.Body).Decode(&page); err != nil || response.StatusCode != http.StatusOK || page.Sync != nil {
		return fmt.Errorf("GET %.3000s: %s, %v, sync %s", at, response.Status, err, page.Sync)
	}
	f.connections++
	f.pending = page.Events
	if err := f.complete(page.Cursor); err != nil {
		return err
	}
	return errAgain
}

// complete applies what came up to a cursor.
func (f *follower) complete(id string) error {
	for _, e := range f.pending {
		if err := f.apply(e); err != nil {
			return err
		}
	}
	f.events += len(f.pending)
	f.cursor, f.pending = id, nil
	cursor, err := stream.ParseCursor(id)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.isLast == nil || !f.isLast(cursor) {
		return nil
	}
	for _, s := range f.selections {
		if s.doubt != nil {
			return s.doubt
		}
	}
	return errComplete
}

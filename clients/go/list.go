package pgherald

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
)

// maxPage is the most rows of a page.
const maxPage = 500

// Description says what a collection is.
type Description struct {
	Name   string   `json:"name"`
	Key    []string `json:"key"` // the columns
	Fields []struct {
		Name     string `json:"name"`
		Type     string `json:"type"`
		Nullable bool   `json:"nullable"`
	} `json:"fields"`
	Filter []FilterField `json:"filter"`
}

// FilterField is a field by which lists and streams are filtered, and lists ordered.
type FilterField struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind"`
	Operators []string `json:"operators"`
	Labels    []string `json:"labels"` // of an enum, in their order
}

// filterField returns nil if there is none with this name.
func (d *Description) filterField(name string) *FilterField {
	i := slices.IndexFunc(d.Filter, func(f FilterField) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &d.Filter[i]
}

// Query selects the rows of a collection. The zero value selects all.
type Query struct {
	Where Where    // conditions that all hold
	Any   []string // groups, as the function Any writes them; one condition of each holds
	Order string   // up to four filter fields, as in "total.desc,id"; then, and by default, the key
	Limit int      // the first rows only. Of a page up to 500, by default 50; of a Collection any number, by default all
}

// isSet reports whether the order of the rows does not matter.
func (q Query) isSet() bool { return q.Order == "" && q.Limit == 0 }

// page returns the query of a page with up to this number of rows; 0 or less: as many as there can be.
func (q Query) page(rows int) Query {
	q.Limit = maxPage
	if rows > 0 {
		q.Limit = min(rows, maxPage)
	}
	return q
}

func (q Query) params() url.Values {
	params := make(url.Values)
	q.Where.addTo(params)
	if len(q.Any) > 0 {
		params["any"] = q.Any
	}
	if q.Order != "" {
		params.Set("order", q.Order)
	}
	if q.Limit > 0 {
		params.Set("limit", strconv.Itoa(q.Limit))
	}
	return params
}

// ListOptions selects a page of a list.
type ListOptions struct {
	Query
	After string // the Next of the page before
	Count bool   // count the rows of all pages
}

// Page is a part of a list.
type Page struct {
	Rows       []json.RawMessage `json:"rows"` // null for one that is too large for a list
	Keys       []string          `json:"keys"` // of the rows, as in events
	Oversized  []string          `json:"oversized"`
	Unreadable []string          `json:"unreadable"` // their text has no equivalent in UTF-8; null in Rows
	Cursor     string            `json:"cursor"`     // of the page's snapshot: streams continue there
	Snapshot   string            `json:"snapshot"`   // the transactions of the cursor, in the form of pg_snapshot
	Next       string            `json:"next"`       // empty after the last page
	Count      *int64            `json:"count"`
}

// Collections returns what the server serves.
func (c *Client) Collections(ctx context.Context) ([]Description, error) {
	var answer struct{ Collections []Description }
	err := c.get(ctx, c.url(nil, "collections"), &answer)
	return answer.Collections, err
}

// List returns a page of a collection's rows. Like Row and Collections it makes one attempt, and another with a new
// token after a 401.
func (c *Client) List(ctx context.Context, collection string, o ListOptions) (*Page, error) {
	params := o.params()
	if o.After != "" {
		params.Set("after", o.After)
	}
	if o.Count {
		params.Set("count", "exact")
	}
	var page Page
	if err := c.get(ctx, c.url(params, "collections", collection), &page); err != nil {
		return nil, err
	}
	if len(page.Rows) != len(page.Keys) || page.Cursor == "" {
		return nil, errors.New("read a page: the response is not one of pgherald")
	}
	return &page, nil
}

// plainKey matches keys that are the same in every path. Proxies change paths with others, such as "..".
var plainKey = regexp.MustCompile(`^[\w-]+$`)

// Row returns the row with a key; nil if there is none, or if the client may not see it.
func (c *Client) Row(ctx context.Context, collection, key string) (json.RawMessage, error) {
	var row json.RawMessage
	target := c.url(nil, "collections", collection, key)
	if !plainKey.MatchString(key) {
		target = c.url(url.Values{"key": {key}}, "collections", collection)
	}
	err := c.get(ctx, target, &row)
	var refused *RefusedError
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound && refused.IsServers {
		return nil, nil
	}
	return row, err
}

// get decodes a response of JSON.
func (c *Client) get(ctx context.Context, target string, into any) error {
	err := c.getOnce(ctx, target, TokenConnect, into)
	var refused *RefusedError
	if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized && c.options.Token != nil {
		err = c.getOnce(ctx, target, TokenRejected, into)
	}
	return err
}

func (c *Client) getOnce(ctx context.Context, target string, reason TokenReason, into any) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.IdleTimeout)
	defer cancel()
	req, err := c.newRequest(ctx, http.MethodGet, target, reason)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return requestError(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || mediaType(res) != "application/json" {
		return newRefusedError(res)
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		return fmt.Errorf("read the response: %w", err)
	}
	return nil
}

// retried makes attempts until one succeeds or another cannot help.
func retried[T any](ctx context.Context, c *Client, attempt func() (T, error)) (T, error) {
	for failures := 1; ; failures++ {
		value, err := attempt()
		temporary, after := isTemporary(err)
		if err == nil || !temporary {
			return value, err
		}
		if ctx.Err() != nil {
			return value, ctx.Err()
		}
		delay := c.backoff(after, failures)
		c.options.OnStatus(Status{Err: err, RetryIn: delay})
		if err := sleep(ctx, delay); err != nil {
			return value, err
		}
	}
}

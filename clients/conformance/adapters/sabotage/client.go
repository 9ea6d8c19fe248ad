package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgherald/pgherald/clients/conformance"
)

// client is a plain client with a fault.
type client struct {
	fault   string
	start   conformance.Start
	show    func(line map[string]any)
	cursor  string
	retry   time.Duration
	seen    map[int64]bool
	highest int64
	held    []envelope // of the present transaction
	rows    map[string]json.RawMessage
	keys    []string // of the rows, in their order
	polls   bool     // it asks for pages
	waits   bool     // the next request may wait
	mute    *time.Timer
	silent  *time.Timer   // ends the present connection
	silence time.Duration // after which it does; 0: never
}

// hasWindow reports whether the client loads the list again after each event, which is simple and right.
func (c *client) hasWindow() bool { return c.start.Order != "" || c.start.Limit > 0 }

var (
	errLoaded  = errors.New("the rows were loaded: the stream begins at their cursor")
	errRefused = errors.New("refused")
)

func (c *client) run(ctx context.Context) {
	c.polls = c.start.Transport == "poll"
	if c.start.Open == "collection" {
		_ = c.load(ctx)
	}
	for ctx.Err() == nil {
		err := c.connect(ctx)
		if errors.Is(err, errRefused) && c.fault != "never gives up" {
			c.show(map[string]any{"error": err.Error()})
			return
		}
		wait := c.retry
		if errors.Is(err, errLoaded) || c.fault == "does not wait" {
			wait = time.Millisecond
		}
		for _, e := range c.held { // they come again
			delete(c.seen, e.ID)
		}
		c.held = nil
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

func (c *client) get(ctx context.Context, path, accept string, query url.Values) (*http.Response, error) {
	for field, value := range c.start.Where {
		query.Set("where."+field, "eq."+value)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.start.URL+"/api/"+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	return http.DefaultClient.Do(req)
}

// load requests the first page.
func (c *client) load(ctx context.Context) error {
	query := url.Values{}
	if c.hasWindow() {
		query.Set("order", c.start.Order)
		query.Set("limit", strconv.Itoa(max(c.start.Limit, 100)))
	}
	if c.start.Order == "" {
		query.Del("order")
	}
	res, err := c.get(ctx, "collections/"+c.start.Collection, "application/json", query)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var page struct {
		Rows   []json.RawMessage
		Keys   []string
		Cursor string
	}
	if err := json.NewDecoder(res.Body).Decode(&page); err != nil {
		return err
	}
	if limit := c.start.Limit; limit > 0 && c.fault != "ignores the limit" {
		page.Keys = page.Keys[:min(limit, len(page.Keys))]
	}
	c.rows, c.keys, c.cursor = make(map[string]json.RawMessage), page.Keys, page.Cursor
	for i, key := range page.Keys {
		c.rows[key] = page.Rows[i]
	}
	if c.fault == "ignores the order" {
		slices.Sort(c.keys)
	}
	c.showRows()
	return errLoaded
}

func (c *client) showRows() {
	c.show(map[string]any{"rows": c.rows, "keys": c.keys})
}

func (c *client) connect(ctx context.Context) error {
	query := url.Values{}
	if c.cursor != "" && c.fault != "forgets its cursor" {
		query.Set("since", c.cursor)
	}
	accept := "text/event-stream"
	if c.polls {
		accept = "application/json"
	}
	if c.waits {
		query.Set("wait", "20s")
	}
	attempt, cancel := context.WithCancel(ctx)
	defer cancel()
	if limit := c.start.ConnectTimeout; limit > 0 && !c.polls {
		c.mute = time.AfterFunc(time.Duration(limit)*time.Millisecond, func() {
			c.polls = c.fault != "keeps to streams"
			cancel()
		})
		defer c.mute.Stop()
	}
	c.silence = 0
	c.silent = time.AfterFunc(time.Hour, cancel)
	defer c.silent.Stop()
	res, err := c.get(attempt, "events", accept, query)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && c.fault != "ignores Retry-After" {
		c.retry = time.Duration(seconds) * time.Second
	}
	if res.StatusCode != http.StatusOK && res.StatusCode < 500 {
		return fmt.Errorf("%w: %s", errRefused, res.Status)
	}
	if c.polls {
		return c.readPage(ctx, res)
	}
	return c.read(ctx, res)
}

// readPage takes a page of events. The next request asks for the next one.
func (c *client) readPage(ctx context.Context, res *http.Response) error {
	c.retry = time.Millisecond
	var page struct {
		Events []json.RawMessage
		Cursor string
		More   bool
		Sync   json.RawMessage
	}
	if err := json.NewDecoder(res.Body).Decode(&page); err != nil {
		return err
	}
	if page.Sync != nil {
		_ = c.receive(ctx, envelope{Type: "sync", Data: page.Sync}, false)
	}
	for i, raw := range page.Events {
		e := envelope{raw: raw}
		if err := json.Unmarshal(raw, &e); err != nil {
			return err
		}
		if err := c.receive(ctx, e, i == len(page.Events)-1); err != nil {
			return err
		}
	}
	c.waits = !page.More || c.fault == "always waits"
	if c.fault != "forgets the cursor of a page" {
		c.cursor = page.Cursor
	}
	return nil
}

// read reads byte by byte, which makes a wrong decoder wrong every time.
func (c *client) read(ctx context.Context, res *http.Response) error {
	text, piece := "", make([]byte, 1)
	for {
		n, err := res.Body.Read(piece)
		if c.fault == "decodes each piece" {
			text += strings.ToValidUTF8(string(piece[:n]), "\ufffd")
		} else {
			text += string(piece[:n])
		}
		text = strings.ReplaceAll(text, "\r\n", "\n")
		if err != nil && c.fault == "takes cut frames" {
			text += "\n\n"
		}
		if block, rest, ok := strings.Cut(text, "\n\n"); ok {
			text = rest
			if err := c.block(ctx, block); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// watchSilence takes the time between two heartbeats from a sync event.
func (c *client) watchSilence(e envelope) {
	var sync struct{ Heartbeat int64 }
	if e.Type == "sync" && json.Unmarshal(e.Data, &sync) == nil && sync.Heartbeat > 0 {
		c.silence = time.Duration(sync.Heartbeat)*time.Millisecond*5/2 + 2*time.Second
	}
}

func (c *client) block(ctx context.Context, block string) error {
	if c.mute != nil {
		c.mute.Stop()
	}
	var e envelope
	cursor := ""
	for line := range strings.Lines(block) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "id":
			cursor = value
		case "data":
			e.raw = json.RawMessage(value)
		case "retry":
			if ms, err := strconv.Atoi(value); err == nil {
				c.retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
	if cursor != "" {
		c.cursor = cursor
	}
	if json.Unmarshal(e.raw, &e) != nil {
		return nil
	}
	if c.watchSilence(e); c.silence > 0 && c.fault != "keeps to silent streams" {
		c.silent.Reset(c.silence)
	}
	return c.receive(ctx, e, cursor != "")
}

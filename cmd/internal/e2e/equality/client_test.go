package equality_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/listing"
)

// client follows one or more selections, over any number of connections.
type client struct {
	*world
	number     int
	selections []*selection
	grants     []string
	filter     stream.Filter
	conflates  bool

	sub     *stream.Subscription // nil while disconnected
	feed    *stream.Feed
	cursor  string // of the last id line
	pending []envelope
	rows    []map[string]string // of each selection, by key
	fetch   []map[string]bool   // keys of rows that came without data
	reload  bool                // a reset has come
	trace   []string
}

type envelope struct {
	Type, Collection, Op, Key string
	Moved, Oversized          bool
	Q                         []string
	Ops                       map[string]struct {
		Op    string
		Moved bool
	}
	Data json.RawMessage
	text string
}

func (w *world) newClient(number int) *client {
	w.Helper()
	c := &client{world: w, number: number, conflates: w.rng.IntN(4) == 0}
	params := url.Values{}
	if w.rng.IntN(2) == 0 {
		s := w.newSelection("")
		c.selections = []*selection{s}
		maps.Copy(params, s.params)
		params.Set("collection", s.collection)
	} else {
		for i := range 1 + w.rng.IntN(4) {
			s := w.newSelection(fmt.Sprintf("s-%d", i))
			c.selections = append(c.selections, s)
			text := "collection:" + s.collection
			for _, name := range slices.Sorted(maps.Keys(s.params)) {
				for _, v := range s.params[name] {
					text += ";" + url.PathEscape(name) + "=" + strings.ReplaceAll(url.PathEscape(v), ";", "%3B")
				}
			}
			params.Set("q."+s.id, text)
		}
	}
	for _, tag := range []string{"a", "b", "c"} {
		if w.rng.IntN(2) == 0 {
			c.grants = append(c.grants, tag)
		}
	}
	filter, err := stream.ParseFilter(params, w.set)
	if err != nil {
		w.Fatalf("seed %d: parse %v: %v", w.seed, params, err)
	}
	filter = filter.WithGrants(c.grants)
	if c.conflates {
		filter = filter.Conflated()
	}
	if w.rng.IntN(4) == 0 {
		filter = filter.Batched(10 * time.Millisecond)
	}
	if c.filter, err = w.feeds[0].ShareFilter(filter); err != nil {
		w.Fatal(err)
	}
	return c
}

// load loads all rows, as a client does at first and after a reset, and connects after the cursor of the snapshot.
func (c *client) load(t *truth) {
	c.Helper()
	c.loads++
	c.rows, c.fetch, c.pending, c.reload, c.trace = nil, nil, nil, false, nil
	for _, s := range c.selections {
		rows := maps.Clone(t.rows[s])
		if c.rng.IntN(8) == 0 {
			if listed := c.list(s); !maps.Equal(listed, rows) {
				c.fail(t, "the list has %v", listed)
			}
		}
		c.rows, c.fetch = append(c.rows, rows), append(c.fetch, map[string]bool{})
	}
	c.cursor = t.cursor.String()
	c.connect()
}

// list reads the rows of a selection from its list, in pages and in a random order.
func (c *client) list(s *selection) map[string]string {
	c.Helper()
	rows := map[string]string{}
	name := slices.Sorted(maps.Keys(fields[s.collection]))[c.rng.IntN(len(fields[s.collection]))]
	order, err := collection.ParseOrder(c.set.ByName(s.collection), name+[]string{"", ".desc"}[c.rng.IntN(2)])
	if err != nil {
		c.Fatal(err)
	}
	q := listing.Query{Where: s.where, Order: order, Limit: 1 + c.rng.IntN(10), Grants: c.grants}
	for {
		page, err := c.lists.Page(c.ctx, s.collection, q)
		if err != nil {
			c.Fatalf("seed %d: list %s: %v", c.seed, s.where.Canonical(), err)
		}
		for i, key := range page.Keys {
			if _, again := rows[key]; again {
				c.Fatalf("seed %d: the list by %s of %s has %s twice", c.seed, order.SQL(), s.where.Canonical(), key)
			}
			rows[key] = string(page.Rows[i])
		}
		page.Release()
		if q.After = page.Next; q.After == "" {
			return rows
		}
	}
}

// connect opens a stream after the cursor, at either feed.
func (c *client) connect() {
	c.Helper()
	cursor, err := stream.ParseCursor(c.cursor)
	if err != nil {
		c.Fatal(err)
	}
	c.feed = c.feeds[c.rng.IntN(len(c.feeds))]
	sub, sync, err := c.feed.Subscribe(c.ctx, cursor, c.filter)
	switch {
	case err == nil && sync.Reason == stream.ResetPruned:
		c.reload = true
		c.pruned++
	case err != nil || sync.Mode != stream.ModeResumed:
		c.Fatalf("seed %d: subscribe after %s: %+v, %v", c.seed, c.cursor, sync, err)
	}
	c.sub = sub
}

// disconnect forgets what came after the last id line, as it will come again.
func (c *client) disconnect() { c.sub, c.pending = nil, nil }

// next reads what has come, and compares if the client is connected in the end.
func (c *client) next(t *truth) {
	c.Helper()
	if c.sub == nil {
		if c.rng.IntN(2) == 0 {
			return
		}
		c.resumes++
		c.connect()
	}
	if isComplete := c.read(); !isComplete {
		c.disconnect()
		return
	}
	if !c.sub.Cursor().Covers(t.cursor) {
		c.fail(t, "the cursor %s does not cover %s", c.sub.Cursor(), t.cursor)
	}
	if c.reload {
		c.load(t)
		return
	}
	c.compare(t)
	switch c.rng.IntN(10) {
	case 0:
		c.disconnect()
	case 1:
		c.cursor = c.sub.Cursor().String() // a heartbeat
	}
}

var errLeft = errors.New("the client left")

// read reads to the end of what is pending, and reports whether it did not leave before.
func (c *client) read() bool {
	c.Helper()
	leaves := c.rng.IntN(10) == 0
	pending := c.newReader()
	for {
		frames, more, err := pending()
		if errors.Is(err, stream.ErrBehind) {
			err = c.sub.CatchUp(c.ctx, stream.CatchUpClient{Emit: func(frames [][]byte) error {
				c.receive(frames)
				if leaves && c.rng.IntN(2) == 0 {
					return errLeft
				}
				return nil
			}})
			if errors.Is(err, errLeft) {
				return false
			}
			if c.isPruned(err) {
				continue
			}
			if err != nil {
				c.Fatalf("seed %d: client %d: catch up: %v", c.seed, c.number, err)
			}
			continue
		}
		if c.isPruned(err) {
			continue
		}
		if err != nil {
			c.Fatalf("seed %d: client %d: %v", c.seed, c.number, err)
		}
		c.receive(frames)
		if !more {
			return true
		}
		if leaves && c.rng.IntN(2) == 0 {
			return false
		}
	}
}

// newReader returns a function that reads what is pending, and whether more may be: in one of the ways of the server.
func (c *client) newReader() func() (frames [][]byte, more bool, err error) {
	if c.rng.IntN(3) == 0 { // a goroutine of its own
		limit := []int{1, 300, 64 << 10}[c.rng.IntN(3)]
		return func() ([][]byte, bool, error) {
			frames, err := c.sub.Pending(nil, limit)
			return frames, len(frames) > 0, err
		}
	}
	return func() ([][]byte, bool, error) {
		data, more, err := c.passes[c.feed].Pending(c.sub)
		return [][]byte{data}, more, err
	}
}

// isPruned reports whether the error says that the client must load all rows again because of missing events.
func (c *client) isPruned(err error) bool {
	var reset *stream.ResetError
	if !errors.As(err, &reset) || reset.Reason != stream.ResetPruned {
		return false
	}
	c.pruned++
	c.reload, c.pending = true, nil
	return true
}

// receive parses frames, and applies whole transactions.
func (c *client) receive(frames [][]byte) {
	c.Helper()
	var text strings.Builder
	for _, f := range frames {
		text.Write(f)
	}
	for frame := range strings.SplitSeq(text.String(), "\n\n") {
		if frame == "" {
			continue
		}
		id, data, isWhole := strings.Cut(frame, "\ndata: ")
		if !isWhole {
			data = strings.TrimPrefix(frame, "data: ")
		}
		e := c.parse(data)
		if e.Type == stream.TypeBatch {
			var batch struct{ Events []json.RawMessage }
			if err := json.Unmarshal(e.Data, &batch); err != nil {
				c.Fatalf("parse %s: %v", data, err)
			}
			for _, raw := range batch.Events {
				c.pending = append(c.pending, c.parse(string(raw)))
			}
		} else {
			c.pending = append(c.pending, e)
		}
		if !isWhole {
			continue
		}
		c.cursor = strings.TrimPrefix(id, "id: ")
		for _, e := range c.pending {
			c.apply(e)
		}
		c.pending = nil
	}
}

func (c *client) parse(text string) envelope {
	c.Helper()
	var e envelope
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		c.Fatalf("seed %d: parse %q: %v", c.seed, text, err)
	}
	e.text = text
	return e
}

// apply applies an event to the selections that it names.
func (c *client) apply(e envelope) {
	c.Helper()
	c.trace = append(c.trace, fmt.Sprintf("%d: %.300s", c.step, e.text))
	for i, s := range c.selections {
		op, moved := e.Op, e.Moved
		if s.id != "" {
			if !slices.Contains(e.Q, s.id) {
				continue
			}
			if of, found := e.Ops[s.id]; found {
				op, moved = of.Op, of.Moved
			}
		}
		c.applyTo(i, op, moved, e)
	}
}

func (c *client) applyTo(i int, op string, moved bool, e envelope) {
	c.Helper()
	s, rows := c.selections[i], c.rows[i]
	_, had := rows[e.Key]
	isKnown := !c.conflates && !c.reload && !c.hasLong // an event that is not known may say what the client has
	if op != "reset" && e.Collection != s.collection {
		c.fail(nil, "an event of %q for %q: %s", e.Collection, s.collection, e.text)
	}
	switch op {
	case "insert", "update":
		if isKnown && had == (op == "insert") {
			c.fail(nil, "%s of a row that the client has: %v: %s", op, had, e.text)
		}
		if delete(c.fetch[i], e.Key); e.Oversized {
			c.fetch[i][e.Key] = true
		} else {
			rows[e.Key] = c.rowOf(e)
		}
	case "delete":
		if isKnown && !had || moved && len(c.selections) == 1 && e.Data != nil {
			c.fail(nil, "delete of a row that the client has not, or with its data: %s", e.text)
		}
		delete(rows, e.Key)
		delete(c.fetch[i], e.Key)
	case "reset":
		c.reload = true
	default:
		c.fail(nil, "op %q: %s", op, e.text)
	}
}

// rowOf returns the row in an event, of which the data may have more.
func (c *client) rowOf(e envelope) string {
	c.Helper()
	if e.Collection != "tasks" {
		return string(e.Data)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(e.Data, &all); err != nil {
		c.fail(nil, "parse %s: %v", e.text, err)
	}
	return fmt.Sprintf(`{"id":%s,"state":%s,"n":%s}`, all["id"], all["state"], all["n"])
}

// compare compares the rows with the database.
func (c *client) compare(t *truth) {
	c.Helper()
	for i, s := range c.selections {
		for key := range c.fetch[i] {
			if delete(c.rows[i], key); t.rows[s][key] != "" {
				c.rows[i][key] = t.rows[s][key]
			}
		}
		c.comparisons++
		c.world.rows += len(c.rows[i])
		if !maps.Equal(c.rows[i], t.rows[s]) {
			c.fail(t, "selection %q (%s, %s) has\n%v, want\n%v", s.id, s.collection, s.meaning, c.rows[i], t.rows[s])
		}
	}
}

func (c *client) fail(t *truth, format string, args ...any) {
	c.Helper()
	selections := ""
	for _, s := range c.selections {
		selections += fmt.Sprintf("\n%q: %s %s", s.id, s.collection, s.meaning)
	}
	c.Fatalf("seed %d, step %d, client %d, grants %v, conflates %v: %s\nselections:%s\nscript:\n%s\nevents:\n%s", c.seed, c.step, c.number, c.grants, c.conflates,
		fmt.Sprintf(format, args...), selections, strings.Join(c.script, "\n"), strings.Join(c.trace, "\n"))
}

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/pgherald/pgherald/stream"
)

// collectionInfo is a collection as GET /api/collections describes it.
type collectionInfo struct {
	Name   string            `json:"name"`
	Table  string            `json:"table"`
	Key    []string          `json:"key"`
	Types  map[string]string `json:"types"`
	Fields []struct {
		Name string `json:"name"`
		Type string `json:"type"`
	} `json:"fields"`
	Filter []filterInfo `json:"filter"`
	own    string       // SQL that leaves out the rows of tables that inherit from this one, and are collections themselves
}

type filterInfo struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind"`
	Operators []string `json:"operators"`
	Labels    []string `json:"labels"`
}

// fieldType returns the SQL type of a field.
func (c collectionInfo) fieldType(name string) string {
	for _, f := range c.Fields {
		if f.Name == name {
			return f.Type
		}
	}
	return ""
}

// getJSON decodes the answer to a GET request.
func getJSON(ctx context.Context, client *http.Client, at string, to any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	response, err := askFrom(ctx, client, func() *http.Request { return request })
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s, %v\n%.1000s", at, response.Status, err, body)
	}
	return json.Unmarshal(body, to)
}

// list holds what the pages of GET /api/collections/{name} say.
type list struct {
	rows   map[string]string // by key
	cursor stream.Cursor     // of the first page
	text   string            // of this cursor
	pages  int
	// repeats counts the keys that came twice, as they may if rows change between two pages.
	repeats int
	count   int // as the last page says, if it was to
}

// readList reads a list page by page. Where the texts of the order are too long to continue after them, it reads the list
// in the order of the key.
func readList(ctx context.Context, client *http.Client, n *node, s *selection, with url.Values) (list, error) {
	l, err := readListPages(ctx, client, n, s, with)
	if err == nil || !with.Has("order") || !strings.Contains(err.Error(), "cannot be continued after the row") {
		return l, err
	}
	with = maps.Clone(with)
	with.Del("order")
	return readListPages(ctx, client, n, s, with)
}

func readListPages(ctx context.Context, client *http.Client, n *node, s *selection, with url.Values) (list, error) {
	l := list{rows: map[string]string{}}
	params := maps.Clone(with)
	for name, values := range s.params {
		params[name] = values
	}
	for {
		var page struct {
			Rows   []json.RawMessage `json:"rows"`
			Keys   []string          `json:"keys"`
			Cursor string            `json:"cursor"`
			Next   *string           `json:"next"`
			Count  int               `json:"count"`
		}
		if err := getJSON(ctx, client, n.at("/api/collections/"+url.PathEscape(s.collection.Name)+"?"+params.Encode()), &page); err != nil {
			return l, err
		}
		if l.pages++; l.pages == 1 {
			var err error
			if l.cursor, err = stream.ParseCursor(page.Cursor); err != nil {
				return l, err
			}
			l.text = page.Cursor
		}
		if len(page.Keys) != len(page.Rows) {
			return l, fmt.Errorf("a page of %s has %d keys and %d rows", s, len(page.Keys), len(page.Rows))
		}
		for i, key := range page.Keys {
			if _, twice := l.rows[key]; twice {
				l.repeats++
			}
			l.rows[key] = string(page.Rows[i])
		}
		l.count = page.Count
		if page.Next == nil {
			return l, nil
		}
		params.Set("after", *page.Next)
	}
}

// selection is a collection and a filter, with what a client holds of it.
type selection struct {
	collection collectionInfo
	params     url.Values // where.* and any, each parameter with all of its values
	sql        string     // the same condition, written without pgherald

	base  list              // where the client began, at its last load
	rows  map[string]string // now
	log   []change          // of the rows since the base
	loads int
	// doubt holds what an event says about a row and the client does not know. A list that waits for a TRUNCATE is empty
	// although its snapshot is older, because PostgreSQL's TRUNCATE obeys no snapshot: then a reset must follow.
	doubt error
}

// change says what an event did to the rows of a selection.
type change struct {
	xid  uint64
	key  string
	row  string
	gone bool
}

func (s *selection) String() string {
	text, _ := url.QueryUnescape(s.params.Encode())
	return strings.TrimSuffix(s.collection.Name+" where "+text, " where ")
}

// query returns the value of q for the selection: its own parameters separated by semicolons, each value encoded once more.
func (s *selection) query() string {
	parts := []string{"collection:" + escapeAll(s.collection.Name)}
	for name, values := range s.params {
		for _, value := range values {
			parts = append(parts, escapeAll(name)+"="+escapeAll(value))
		}
	}
	return strings.Join(parts, ";")
}

// escapeAll encodes every byte that is no letter, digit or one of a few signs.
func escapeAll(text string) string {
	var b strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("._-(),", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// load reads the list and begins anew.
func (s *selection) load(ctx context.Context, client *http.Client, n *node) (err error) {
	if s.base, err = readList(ctx, client, n, s, url.Values{"limit": {"500"}}); err != nil {
		return err
	}
	s.loads++
	s.doubt = nil
	s.log, s.rows = nil, map[string]string{}
	for key, row := range s.base.rows {
		s.rows[key] = row
	}
	return nil
}

// at returns the rows that the client held when it had seen exactly these transactions.
func (s *selection) at(seen func(xid uint64) bool) map[string]string {
	rows := map[string]string{}
	for key, row := range s.base.rows {
		rows[key] = row
	}
	for _, c := range s.log {
		if seen(c.xid) {
			c.apply(rows)
		}
	}
	return rows
}

func (c change) apply(rows map[string]string) {
	if c.gone {
		delete(rows, c.key)
	} else {
		rows[c.key] = c.row
	}
}

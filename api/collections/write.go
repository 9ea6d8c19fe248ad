package collections

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/listing"
)

// begin begins the response that shows a snapshot.
func begin(w http.ResponseWriter, cursor stream.Cursor) {
	h := w.Header()
	h.Set(request.CursorHeader, cursor.String())
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

// writePage writes a page row by row: a copy of all of them would need as much memory again. Errors mean that the client
// has gone.
func writePage(w io.Writer, page listing.Page) {
	_, _ = io.WriteString(w, `{"rows":[`)
	for i, row := range page.Rows {
		if i > 0 {
			_, _ = io.WriteString(w, ",")
		}
		if row == nil {
			row = []byte("null")
		}
		_, _ = w.Write(row)
	}
	end := `],"keys":` + encode(emptyIfNil(page.Keys))
	if len(page.Oversized) > 0 {
		end += `,"oversized":` + encode(page.Oversized)
	}
	if len(page.Unreadable) > 0 {
		end += `,"unreadable":` + encode(page.Unreadable)
	}
	end += `,"cursor":` + encode(page.Cursor.String()) + `,"snapshot":"` + page.Cursor.Snapshot() + `","next":`
	if page.Next == "" {
		end += "null"
	} else {
		end += encode(page.Next)
	}
	if page.Count != nil {
		end += `,"count":` + strconv.FormatInt(*page.Count, 10)
	}
	_, _ = io.WriteString(w, end+"}\n")
}

// encode returns the JSON of a text or of texts.
func encode(value any) string {
	text, _ := json.Marshal(value) // cannot fail
	return string(text)
}

func emptyIfNil[T any](list []T) []T { return append([]T{}, list...) }

// described is a collection in the response of GET /api/collections.
type description struct {
	Name   string                   `json:"name"`
	Table  string                   `json:"table"`
	Key    []string                 `json:"key"`
	Types  map[string]collection.Op `json:"types"`
	Fields []fieldDescription       `json:"fields"`
	Filter []filterDescription      `json:"filter"`
}

type fieldDescription struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Nullable bool   `json:"nullable"`
}

type filterDescription struct {
	Name      string          `json:"name"`
	Kind      collection.Kind `json:"kind"`
	Operators []string        `json:"operators"`
	Labels    []string        `json:"labels,omitempty"`
}

// describe serves the list of the collections.
func (c *Collections) describe(w http.ResponseWriter, r *http.Request, _ auth.Identity) error {
	if _, err := request.Query(r.URL.RawQuery, nil); err != nil {
		return err
	}
	all := []description{}
	for _, known := range c.set.All() {
		d := description{
			Name: known.Name, Table: known.Table, Key: known.Key, Types: known.Types,
			Fields: []fieldDescription{}, Filter: []filterDescription{},
		}
		for _, f := range known.Fields {
			d.Fields = append(d.Fields, fieldDescription{f.Name, f.Type, f.Nullable})
			if f.MayFilter() {
				d.Filter = append(d.Filter, filterDescription{f.Name, f.Filter, f.Filter.Operators(), f.Labels})
			}
		}
		all = append(all, d)
	}
	request.Respond(w, http.StatusOK, map[string]any{"collections": all})
	return nil
}

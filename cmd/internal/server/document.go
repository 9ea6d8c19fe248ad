package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/triggers"
)

// documentFormat is the format of the document that this version writes, and the newest that it reads. Members may be added
// without a new one: a reader ignores those that it does not know.
const documentFormat = 1

// document says to servers without a database what the spec gives. The relay publishes it beside its stream.
type document struct {
	Format      int                     `json:"format"`
	Types       []string                `json:"types"`  // see served; null if they are not known
	Recent      []string                `json:"recent"` // types of recent events, which the spec may lack
	Events      []triggers.EventType    `json:"events"`
	Collections []collection.Collection `json:"collections"`
	Withheld    []string                `json:"withheld"`
	IsCurrent   bool                    `json:"isCurrent"`
}

var (
	errNoDocument = errors.New("read what the spec gives: no relay has written it yet: start pgherald relay with the same store")
	errUnreadable = errors.New("read what the spec gives: the store holds something else: check the key, and that no other program writes to it")
)

// Description writes the document for servers without a database.
type Description struct {
	// Load returns the spec. Required.
	Load func() (triggers.Spec, error)
	// Recent returns the types of recent events. Required.
	Recent func(context.Context) ([]string, error)
	// Logger receives why a collection is not shown. Required.
	Logger *slog.Logger

	looker looker
}

// Describe returns the document of what the spec gives now. The same state gives the same text.
func (d *Description) Describe(ctx context.Context, conn *pgx.Conn) ([]byte, error) {
	spec, err := d.Load()
	if err != nil {
		return nil, err
	}
	d.looker.logger = d.Logger
	now, err := d.looker.look(ctx, conn, spec)
	if err != nil {
		return nil, err
	}
	recent, err := d.Recent(ctx)
	if err != nil {
		return nil, err
	}
	slices.Sort(recent)
	return json.Marshal(document{
		Format: documentFormat, Types: now.types, Recent: slices.Compact(recent), Events: now.events, Collections: now.all,
		Withheld: now.withheld, IsCurrent: now.isCurrent,
	})
}

// parseDocument returns what a document says. Any text is possible: other programs may write to the store.
func parseDocument(text []byte) (*served, []string, error) {
	if len(text) == 0 {
		return nil, nil, errNoDocument
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil || d.Format < 1 {
		return nil, nil, errUnreadable
	}
	if d.Format > documentFormat {
		return nil, nil, fmt.Errorf("read what the spec gives: the relay writes format %d, and this server knows %d: update it", d.Format, documentFormat)
	}
	if _, err := collection.NewSet(d.Collections); err != nil {
		return nil, nil, errUnreadable
	}
	for i := range d.Collections {
		if !isUsable(&d.Collections[i]) {
			return nil, nil, errUnreadable
		}
	}
	return &served{types: d.Types, events: d.Events, all: d.Collections, withheld: d.Withheld, isCurrent: d.IsCurrent}, d.Recent, nil
}

// isUsable reports whether the collection has what streams rely on: a name, a key, and filter fields of kinds that this version
// knows.
func isUsable(c *collection.Collection) bool {
	isBad := func(f collection.Field) bool { return f.Filter != "" && !f.Filter.IsKnown() }
	return c.Name != "" && len(c.Key) > 0 && !slices.ContainsFunc(c.Fields, isBad)
}

package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

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

// Description writes the document for servers without a database. One goroutine uses it.
type Description struct {
	// Watch says which tables are watched.
	Watch Watch
	// Recent returns the types of recent events. Required.
	Recent func(context.Context) ([]string, error)
	// Logger receives why a collection is not shown, and which spec is adopted. Required.
	Logger *slog.Logger

	looker   looker
	spec     *triggers.Spec // which is followed; nil before the first look
	document document
	state    string    // of the triggers, when the document was made
	madeAt   time.Time // of the document
	recentAt time.Time // of its recent types
}

const (
	// describeInterval is the time after which the document is made anew without a change that is known.
	describeInterval = time.Minute
	// recentInterval is the time between two reads of the types of recent events.
	recentInterval = 10 * time.Second
)

// Describe returns the document of what the spec gives now. The same state gives the same text. Without a change it costs a look at the catalog.
func (d *Description) Describe(ctx context.Context, conn *pgx.Conn) ([]byte, error) {
	if err := d.adopt(ctx, conn); err != nil {
		return nil, err
	}
	state, err := triggers.State(ctx, conn, *d.spec) // before the look: what changes meanwhile is a change for the next time
	if err != nil {
		return nil, err
	}
	if now := time.Now(); d.madeAt.IsZero() || state != d.state || now.Sub(d.madeAt) >= describeInterval {
		d.looker.logger = d.Logger
		found, err := d.looker.look(ctx, conn, *d.spec)
		if err != nil {
			return nil, err
		}
		d.document = document{
			Format: documentFormat, Types: found.types, Recent: d.document.Recent, Events: found.events, Collections: found.all,
			Withheld: found.withheld, IsCurrent: found.isCurrent,
		}
		d.state, d.madeAt = state, now
	}
	if now := time.Now(); now.Sub(d.recentAt) >= recentInterval {
		recent, err := d.Recent(ctx)
		if err != nil {
			return nil, err
		}
		slices.Sort(recent)
		d.document.Recent, d.recentAt = slices.Compact(recent), now
	}
	return json.Marshal(d.document)
}

// adopt reads the spec and, later, replaces it by what its file has now, once that has been applied, as servers do.
func (d *Description) adopt(ctx context.Context, conn *pgx.Conn) error {
	spec, _, err := d.Watch.Load()
	switch {
	case d.spec == nil && err != nil:
		return err
	case d.spec == nil:
		d.spec = &spec
		return nil
	case err != nil:
		d.Logger.Debug("spec not read again", "error", err)
		return nil
	case spec.IsSame(*d.spec):
		return nil
	}
	isCurrent, err := triggers.IsCurrent(ctx, conn, spec)
	if err != nil || !isCurrent {
		d.Logger.Debug("spec of the file not adopted: it is not the one that was applied", "error", err)
		return nil
	}
	d.Logger.Info("spec adopted from its file, after its apply", "spec", spec.Name)
	d.spec, d.madeAt = &spec, time.Time{}
	return nil
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

package server

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/api"
	apicollections "github.com/pgherald/pgherald/api/collections"
	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/collections"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/triggers"
)

// served holds what the server shows of its spec. It is immutable: follow replaces it.
type served struct {
	types     []string             // of the spec's events and of the engine's; nil if they are not known
	events    []triggers.EventType // that are no part of a collection
	lists     []collections.Source
	all       []collection.Collection
	withheld  []string // names of collections
	refused   []string // names of those that streams cannot follow
	isCurrent bool     // whether the spec is the one that was applied last
}

// has reports whether there is a collection of that name.
func (s *served) has(name string) bool {
	return slices.ContainsFunc(s.all, func(c collection.Collection) bool { return c.Name == name })
}

// openCollections looks up which of the installed tables are collections.
func (p *pipeline) openCollections(ctx context.Context) error {
	spec, _, err := p.config.Database.Load()
	if err != nil {
		return err
	}
	conn, err := Connect(ctx, p.config.Database.ListenURL)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	now, err := p.look(ctx, conn, spec)
	if err != nil {
		return err
	}
	p.served.Store(now)
	p.collections, err = collection.NewSet(now.all)
	if err != nil {
		return fmt.Errorf("serve the collections: %w", err)
	}
	p.collections.Restrict(now.withheld, nil)
	return nil
}

// look looks up what the server can show of the spec.
func (p *pipeline) look(ctx context.Context, conn *pgx.Conn, spec triggers.Spec) (*served, error) {
	var notes []triggers.Note
	found, err := triggers.Serve(ctx, conn, spec, triggers.Notes(&notes))
	if err != nil {
		return nil, db.Explain(err)
	}
	if found.Mistakes != nil { // such as a table of the spec that is missing
		p.logger.Warn("types of events not checked when a stream opens", "error", found.Mistakes)
	}
	noted := make(map[triggers.Note]bool, len(notes))
	for _, n := range notes {
		if noted[n] = true; !p.noted[n] {
			p.logger.Warn("collection not served", "table", n.Table.String(), "reason", n.Message)
		}
	}
	p.noted = noted
	now := &served{events: found.Events, withheld: found.Withheld, isCurrent: found.IsCurrent}
	if found.Mistakes == nil {
		now.types = append([]string{stream.TypeCollectionReset, "presence_updated", "table_truncated"}, found.Types...)
		slices.Sort(now.types)
		now.types = slices.Compact(now.types)
	}
	for _, s := range found.Collections {
		now.all = append(now.all, s.Collection)
		list := collections.Source{Collection: s.Collection, From: s.From, KeySQL: s.KeySQL, Audience: s.Audience}
		if !s.IsWholeRow {
			list.RowSQL = s.RowSQL()
		}
		now.lists = append(now.lists, list)
	}
	return now, nil
}

// follow takes in what an apply has changed: collections, fields and types that are new, and those that are gone. The
// watcher calls it after changes. It reports whether the spec is the one that was applied last.
func (p *pipeline) follow(ctx context.Context, conn *pgx.Conn, spec triggers.Spec) (isCurrent bool, err error) {
	now, err := p.look(ctx, conn, spec)
	if err != nil {
		return false, err
	}
	// At first no client reads any more what may show too much. What is shown again waits for its new list.
	gone := p.gone(now)
	p.collections.Restrict(slices.Concat(p.served.Load().withheld, now.withheld), gone)
	before := p.collections.Version()
	p.collections.Narrow(now.all)
	if err := p.lists.Set(ctx, now.lists); err != nil { // before streams know them: a client reads the list first
		return false, err
	}
	now.withheld = append(now.withheld, p.grow(now)...)
	p.collections.Restrict(now.withheld, gone)
	p.served.Store(now)
	p.changes.Add(1)
	if p.collections.Version() != before {
		p.logger.Info("collections followed the spec", "collections", len(p.collections.All()))
	}
	return now.isCurrent, nil
}

// grow takes in what is new for streams. It returns the names of the collections whose events streams could not follow.
func (p *pipeline) grow(now *served) (withheld []string) {
	for _, name := range p.feed.Grow(now.all) {
		now.refused = append(now.refused, name)
		if !slices.Contains(p.served.Load().refused, name) {
			p.logger.Warn("collection has changed in a way that streams cannot follow: restart this server", "collection", name)
		}
		known := p.collections.ByName(name)
		if known == nil || !slices.ContainsFunc(now.all, known.HasSameEvents) {
			withheld = append(withheld, name)
		}
	}
	return withheld
}

// gone returns the names of the collections that the server knows and its spec no longer has, and logs the new ones.
func (p *pipeline) gone(now *served) []string {
	var names []string
	for _, c := range p.collections.All() {
		if now.has(c.Name) || slices.Contains(now.withheld, c.Name) {
			continue
		}
		names = append(names, c.Name)
		p.logger.Warn("collection has left the spec, and is not served any more", "collection", c.Name, "table", c.Table)
	}
	for _, name := range p.collections.Gone() {
		if !now.has(name) && !slices.Contains(now.withheld, name) {
			names = append(names, name)
		}
	}
	return names
}

// openLists returns the routes of the collections.
func (p *pipeline) openLists(ctx context.Context, pool *db.Pool) (routes api.Routes, err error) {
	p.lists, err = collections.New(ctx, pool, p.log, p.served.Load().lists, collections.Options{
		PageBytes: min(p.config.Limits.EventBytes, p.memory.lists/4), Bytes: p.memory.lists,
	})
	if err != nil {
		return nil, err
	}
	return apicollections.New(p.collections, p.lists, apicollections.Options{Settle: p.watcher.Settle, Logger: p.logger}).Routes(), nil
}

package server

import (
	"context"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/api"
	apicollections "github.com/pgherald/pgherald/api/collections"
	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/collections"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/triggers"
)

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
	now, err := p.looker.look(ctx, conn, spec)
	if err != nil {
		return err
	}
	return p.show(now)
}

// looker looks up what a server can show of a spec.
type looker struct {
	logger *slog.Logger
	noted  map[triggers.Note]bool // of the last look
}

// look looks up what there is now, and logs what is not shown.
func (l *looker) look(ctx context.Context, conn *pgx.Conn, spec triggers.Spec) (*served, error) {
	var notes []triggers.Note
	found, err := triggers.Serve(ctx, conn, spec, triggers.Notes(&notes))
	if err != nil {
		return nil, db.Explain(err)
	}
	if found.Mistakes != nil { // such as a table of the spec that is missing
		l.logger.Warn("types of events not checked when a stream opens", "error", found.Mistakes)
	}
	noted := make(map[triggers.Note]bool, len(notes))
	for _, n := range notes {
		if noted[n] = true; !l.noted[n] {
			l.logger.Warn("collection not served", "table", n.Table.String(), "reason", n.Message)
		}
	}
	l.noted = noted
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
	now, err := p.looker.look(ctx, conn, spec)
	if err != nil {
		return false, err
	}
	return now.isCurrent, p.showNext(now, func() error { return p.lists.Set(ctx, now.lists) })
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

package server

import (
	"context"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/web"
)

// openAPI connects the API to the feed and to the tables.
func (p *pipeline) openAPI(ctx context.Context) (err error) {
	p.presence = control.NewPresence(p.log.pool, control.PresenceOptions{Report: p.heartbeatReport, Logger: p.logger})
	url := p.config.Database.URL
	controlPool, err := p.pools.open(ctx, "control", url, controlConns, controlTimeout)
	if err != nil {
		return err
	}
	lists, err := p.pools.open(ctx, "lists", url, listConns, listTimeout)
	if err != nil {
		return err
	}
	options := []api.Option{
		p.config.Limits.origins(),
		api.Hosts{Allowed: p.hosts},
		api.Listening{Listener: p.log.listener.Status, Leader: p.log.leader.Status},
		api.Triggers{Status: p.watcher.Status},
		api.Pruning{Status: p.pruner.Status},
		api.Operations{Read: newOperations(p, control.NewReplicas(controlPool, p.presence), p.examine).Read},
		api.History{Log: eventlog.NewHistory(p.log.Log)},
		api.Presence{Tracker: p.presence, List: control.NewPresenceList(lists, p.log.SnapshotCursor)},
		api.Publishing{Publisher: control.NewPublisher(controlPool), Role: p.config.Tokens.PublishRole},
		api.Page{Handler: web.Page(p.config.Database.IsExample())},
	}
	if p.served.Load().types != nil {
		options = append(options, p.eventTypes())
	}
	if p.tokens != nil {
		revocations := control.NewRevocations(p.log.pool, p.config.Tokens.MaxLifetime)
		options = append(options, api.Auth{
			Authenticator: p.tokens, OperatorRole: p.config.Tokens.OperatorRole,
			Tickets: control.NewTickets(controlPool), Renewals: control.NewRenewals(controlPool),
			Revocations: revocations, Disconnects: revocations,
		})
	}
	rows, err := p.openLists(ctx, lists)
	if err != nil {
		return err
	}
	options = append(options, rows)
	if p.config.Database.IsExample() { // the tables of the activities exist
		routes, err := p.openActivities(ctx, lists)
		if err != nil {
			return err
		}
		options = append(options, routes)
	}
	options = append(options, p.described())
	p.api, err = api.New(api.Config{
		Feed:        p.feed,
		Collections: p.collections,
		Settle:      p.watcher.Settle,
		Ready:       p.readyError,
		Streams:     p.streams(),
		Requests:    p.config.Limits.requests(),
		BodyBytes:   p.memory.bodies, PageBytes: p.memory.pages,
		Metrics: p.metrics,
		Logger:  p.logger,
	}, options...)
	if err != nil {
		return err
	}
	return p.api.ReadRevocations(ctx)
}

// streams returns how the API serves streams.
func (p *pipeline) streams() api.Streams {
	return api.Streams{
		Admission:    p.config.Limits.admission(),
		Heartbeat:    p.config.Tuning.Heartbeat,
		WriteTimeout: p.config.Tuning.WriteTimeout,
		StaleLimit:   p.config.Tuning.StaleLimit, HasAlternative: p.presence.HasOtherReplica,
		Schedule: p.schedule, Compress: p.config.Tuning.Compress,
	}
}

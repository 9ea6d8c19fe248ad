package server

import (
	"context"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/db/consumers"
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
	p.consumers = consumers.NewMonitor(controlPool, p.logger)
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
	config := p.apiConfig(p.presence.HasOtherReplica)
	config.Settle = p.watcher.Settle
	if p.api, err = api.New(config, options...); err != nil {
		return err
	}
	return p.api.ReadRevocations(ctx)
}

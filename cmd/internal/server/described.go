package server

import (
	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/activities"
	"github.com/pgherald/pgherald/api/schema"
)

// described returns what the documents at /api/schema say about this server, besides its routes and collections.
func (p *pipeline) described() api.Schema {
	described := api.Schema{Version: Version(), TokensInURLs: p.config.Tokens.AllowURLToken}
	if p.config.Database.IsExample() {
		described.Operations = activities.Operations()
	}
	described.Changes = p.changes.Load
	described.Events = func() []schema.Event {
		var events []schema.Event
		for _, t := range p.served.Load().events {
			events = append(events, schema.Event(t))
		}
		return events
	}
	return described
}

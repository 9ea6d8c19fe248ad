package server

import (
	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/activities"
	"github.com/pgherald/pgherald/api/schema"
)

// described returns what the documents at /api/schema say about this server, besides its routes and collections.
func (p *pipeline) described() api.Schema {
	described := p.base.described()
	if p.config.Database.IsExample() {
		described.Operations = activities.Operations()
	}
	return described
}

// described returns what they say about every server.
func (b *base) described() api.Schema {
	return api.Schema{Version: Version(), TokensInURLs: b.config.Tokens.AllowURLToken, Changes: b.changes.Load, Events: func() []schema.Event {
		var events []schema.Event
		for _, t := range b.served.Load().events {
			events = append(events, schema.Event(t))
		}
		return events
	}}
}

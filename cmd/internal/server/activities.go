package server

import (
	"context"
	"fmt"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/activities"
	"github.com/pgherald/pgherald/db"
)

// openActivities returns the routes of the activities. They share the pool of the lists unless they have a role
// of their own.
func (p *pipeline) openActivities(ctx context.Context, lists *db.Pool) (_ api.Routes, err error) {
	url := p.config.Database.URL
	if own := p.config.Database.ActivitiesURL; own != "" {
		url = own
		if lists, err = p.pools.open(ctx, "activities_lists", url, listConns, listTimeout); err != nil {
			return nil, err
		}
		if err := lists.Ping(ctx); err != nil {
			return nil, fmt.Errorf("connect to the database of the activities: %w", err)
		}
	}
	writes, err := p.pools.open(ctx, "writes", url, writeConns, writeTimeout)
	if err != nil {
		return nil, err
	}
	a := activities.New(activities.Pools{Lists: lists, Writes: writes}, p.log.SnapshotCursor,
		activities.Options{WriteRole: p.config.Tokens.WriteRole, Logger: p.logger})
	return a.Routes(), nil
}

package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/activities"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/web"
)

func (s *server) apiConfig(logger *slog.Logger) api.Config {
	return api.Config{
		Feed:  s.feed,
		Ready: s.ready,
		Streams: api.Streams{
			Admission:    s.flags.admission(),
			Heartbeat:    s.flags.Heartbeat,
			WriteTimeout: s.flags.WriteTimeout,
			Schedule:     s.schedule,
		},
		Metrics: s.metrics,
		Logger:  logger,
	}
}

// apiOptions returns the features of the API: authentication if tokens are checked, and the activities if their tables are
// those of the built-in spec.
func (s *server) apiOptions(ctx context.Context, log *eventlog.Log, logger *slog.Logger) ([]api.Option, error) {
	options := []api.Option{
		s.flags.origins(),
		api.Listening{Listener: s.listener.Status, Leader: s.leader.Status},
		api.Presence{Tracker: s.presence, List: control.NewPresenceList(s.apiPool, log.SnapshotCursor)},
		api.Publishing{Publisher: control.NewPublisher(s.apiPool), Role: s.flags.PublishRole},
		api.Page{Handler: web.Page()},
	}
	if s.auth != nil {
		options = append(options, api.Auth{
			Authenticator: s.auth, OperatorRole: s.flags.OperatorRole,
			Tickets: ticketStore{control.NewTickets(s.apiPool)}, Renewals: control.NewRenewals(s.apiPool),
		})
	}
	if s.flags.Spec == "" {
		pool, err := s.openActivities(ctx)
		if err != nil {
			return nil, err
		}
		a := activities.New(pool, log.SnapshotCursor, activities.Options{WriteRole: s.flags.WriteRole, Logger: logger})
		options = append(options, api.Routes(a.Routes()))
	}
	return options, nil
}

// openActivities returns the pool for the activities: that of another role, if one is given.
func (s *server) openActivities(ctx context.Context) (*pgxpool.Pool, error) {
	if s.flags.ActivitiesURL == "" {
		return s.apiPool, nil
	}
	var err error
	if s.activitiesPool, err = openPool(ctx, s.flags.ActivitiesURL); err != nil {
		return nil, fmt.Errorf("open connections for the activities: %w", err)
	}
	if err := s.activitiesPool.Ping(ctx); err != nil {
		return nil, fmt.Errorf("connect to the database of the activities: %w", err)
	}
	return s.activitiesPool, nil
}

// ticketStore implements auth.TicketStore with the tickets of the database.
type ticketStore struct{ tickets *control.Tickets }

func (s ticketStore) Issue(ctx context.Context, hash []byte, id auth.Identity, lifetime time.Duration) (time.Time, error) {
	return s.tickets.Issue(ctx, hash, control.Identity(id), lifetime)
}

func (s ticketStore) Redeem(ctx context.Context, hash []byte) (auth.Identity, bool, error) {
	id, valid, err := s.tickets.Redeem(ctx, hash)
	return auth.Identity(id), valid, err
}

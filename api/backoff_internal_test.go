package api

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/stream/backoff/backofftest"
)

// refusedStore is a store whose database refuses everything.
type refusedStore struct{ reads int }

func (s *refusedStore) Read(context.Context, uint64) ([]auth.Revocation, []auth.Disconnect, uint64, error) {
	s.reads++
	return nil, nil, 0, errors.New("connection refused by the test")
}

func (*refusedStore) Prune(context.Context) error                              { return nil }
func (*refusedStore) Revoke(context.Context, auth.Revocation, time.Time) error { return nil }

// Every role of the database can send notifications.
func TestRevocationsBackOff(t *testing.T) {
	backofftest.Check(t, 260, func(*testing.T) backofftest.Outage {
		store := &refusedStore{}
		a := &API{revocations: newRevocations(store, func() {}, slog.New(slog.DiscardHandler))}
		return backofftest.Outage{Run: a.runRevocations, Wake: a.RevocationsChanged, Attempts: func() int { return store.reads }}
	})
}

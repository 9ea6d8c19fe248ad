package server

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/pgherald/pgherald/api"
)

// maxSeenTypes bounds the types that a server remembers: anyone who may publish could invent names.
const maxSeenTypes = 1000

// seenTypes holds the types of the events that this server has read.
type seenTypes struct {
	mu    sync.Mutex
	types map[string]bool
}

func (s *seenTypes) add(eventType string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.types == nil {
		s.types = make(map[string]bool)
	}
	if !s.types[eventType] && len(s.types) < maxSeenTypes {
		s.types[eventType] = true
	}
}

func (s *seenTypes) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.types))
}

// eventTypes returns the option that refuses types of which there are no events.
func (p *pipeline) eventTypes() api.EventTypes {
	return api.EventTypes{Known: func() []string { return p.served.Load().types }, Recent: func(ctx context.Context) ([]string, error) {
		types, err := p.log.RecentTypes(ctx)
		return append(types, p.seenTypes.list()...), err
	}}
}

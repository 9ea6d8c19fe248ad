package forward

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/triggers"
)

// errSpec says that the filter may have judged events by a spec that is not the present one. They come again after a start.
var errSpec = errors.New("continue with the spec: an apply or a change of the watched tables has changed what it gives. Start this process again, with the same spec as the servers")

// errChanged says the same, but this process has the present spec: a new session judges the events again.
var errChanged = errors.New("continue with the spec: what it gives has changed")

// WithheldError says that collections of the spec are not installed as the spec says. It ends with an apply, or with a start with the spec
// that was applied.
type WithheldError struct{ Collections []string }

func (e *WithheldError) Error() string {
	return fmt.Sprintf("forward the collections %s: they are not installed as the spec says: apply it, or start this process with the spec that was applied",
		strings.Join(e.Collections, ", "))
}

// FilterError says what is wrong with the flags of the filter.
type FilterError struct{ error }

func (e *FilterError) Unwrap() error { return e.error }

// given holds what a spec gives, at some time.
type given struct {
	spec        triggers.Spec
	state       string // of the spec in the database; taken before the rest, so that a later change shows
	collections []collection.Collection
	withheld    []string
	isCurrent   bool
}

// lookUp looks up what a spec gives now.
func lookUp(ctx context.Context, conn *pgx.Conn, spec triggers.Spec) (*given, error) {
	state, err := triggers.State(ctx, conn, spec)
	if err != nil {
		return nil, db.Explain(err)
	}
	found, err := triggers.Serve(ctx, conn, spec)
	if err != nil {
		return nil, db.Explain(err)
	}
	g := &given{spec: spec, state: state, withheld: found.Withheld, isCurrent: found.IsCurrent}
	for _, s := range found.Collections {
		g.collections = append(g.collections, s.Collection)
	}
	return g, nil
}

// isSame reports whether both let the filter judge events in the same way.
func (g *given) isSame(other *given) bool {
	return slices.Equal(g.withheld, other.withheld) && reflect.DeepEqual(g.collections, other.collections)
}

// encoder returns an encoder for what the filter selects.
func (g *given) encoder(params map[string][]string) (*stream.Encoder, error) {
	if len(g.withheld) > 0 && !g.isCurrent {
		return nil, &WithheldError{g.withheld}
	}
	set, err := collection.NewSet(g.collections)
	if err != nil {
		return nil, fmt.Errorf("forward the collections: %w", err)
	}
	filter, err := stream.ParseFilter(params, set)
	switch {
	case err != nil && len(g.withheld) > 0: // the filter may name one of them
		return nil, fmt.Errorf("%w (%w)", &WithheldError{g.withheld}, err)
	case err != nil:
		return nil, &FilterError{err}
	}
	return stream.NewEncoder(filter, set), nil
}

// encoder loads the spec, and returns an encoder for what it gives now.
func (r *runner) encoder(ctx context.Context) (*stream.Encoder, *given, error) {
	spec, err := r.config.LoadSpec()
	if err != nil {
		return nil, nil, err
	}
	conn, err := server.Connect(ctx, r.config.DatabaseURL)
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	now, err := lookUp(ctx, conn, spec)
	if err != nil {
		return nil, nil, err
	}
	e, err := now.encoder(r.config.Filter)
	return e, now, err
}

// checkSpec returns errChanged or errSpec if the encoder may be wrong about something that was read up to now: no position passes that. The
// state changes more often than what the spec gives: a TRUNCATE changes it, or a lock.
func (s *session) checkSpec(ctx context.Context) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return db.Explain(err)
	}
	defer conn.Release()
	state, err := triggers.State(ctx, conn.Conn(), s.given.spec)
	if err != nil || state == s.given.state {
		return err
	}
	now, err := lookUp(ctx, conn.Conn(), s.given.spec)
	switch {
	case err != nil:
		return err
	case now.isSame(s.given):
		s.given = now
		return nil
	case now.isCurrent:
		return errChanged
	}
	return errSpec
}

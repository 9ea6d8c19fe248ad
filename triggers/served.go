package triggers

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Served holds what a server shows of a spec.
type Served struct {
	// Collections are those that are installed: see [Collections].
	Collections []Source
	// Withheld are the names of the spec's collections that are not: their rows must not be shown, because what is installed
	// may show less of them, or to fewer clients. [Notes] say why.
	Withheld []string
	// IsCurrent reports that this state of the spec is the one that was applied last.
	IsCurrent bool
	// Events are the types of other events: see [EventTypes].
	Events []EventType
	// Types are all types of the spec's events. nil says that they are not known, because of Mistakes.
	Types []string
	// Mistakes are those of the spec's patterns, such as one that matches nothing.
	Mistakes error
}

// Serve looks up what a server shows of the spec now, in one look at the catalog.
func Serve(ctx context.Context, conn *pgx.Conn, spec Spec, opts ...Option) (Served, error) {
	var s Served
	err := readOnly(ctx, conn, func(tx pgx.Tx) error {
		all, err := expand(ctx, tx, spec)
		if err != nil {
			return err
		}
		if err := s.loadCollections(ctx, tx, all.spec, newOptions(opts)); err != nil {
			return err
		}
		if s.Events, err = loadEventTypes(ctx, tx, all.spec); err != nil {
			return err
		}
		if s.Mistakes = errors.Join(all.mistakes...); s.Mistakes == nil {
			s.Types = all.spec.eventTypes()
		}
		return nil
	})
	if err != nil {
		return Served{}, fmt.Errorf("look up what the spec gives: %w", err)
	}
	return s, nil
}

// loadCollections looks up the collections that are installed.
func (s *Served) loadCollections(ctx context.Context, tx pgx.Tx, spec Spec, o options) error {
	found, err := loadInstalled(ctx, tx)
	if err == nil {
		err = found.checkFilters(spec)
	}
	if err != nil {
		return err
	}
	s.IsCurrent = found.isCurrent(spec)
	s.Collections, err = loadSources(ctx, tx, spec, o, &found)
	for i := range s.Collections {
		s.Collections[i].addSince(found.filters, spec.Name)
	}
	for _, t := range spec.Tables {
		isServed := slices.ContainsFunc(s.Collections, func(c Source) bool { return c.Name == t.Collection })
		if t.Collection != "" && !isServed {
			s.Withheld = append(s.Withheld, t.Collection)
		}
	}
	return err
}

// eventTypes returns the types of all events of the spec, each once.
func (s Spec) eventTypes() []string {
	var types []string
	for _, t := range s.Tables {
		types = append(types, t.types()...)
	}
	slices.Sort(types)
	return slices.DeleteFunc(slices.Compact(types), func(text string) bool { return text == "" })
}

// IsCurrent reports whether this state of the spec is the one that was applied last.
func IsCurrent(ctx context.Context, conn *pgx.Conn, spec Spec) (is bool, err error) {
	err = readOnly(ctx, conn, func(tx pgx.Tx) error {
		found, err := loadInstalled(ctx, tx)
		is = found.isCurrent(spec)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("look for the applied spec: %w", err)
	}
	return is, nil
}

// State returns a text that changes whenever an apply, a growth, a drop or a script changes what Serve returns for the spec. It
// takes much less time than Serve.
func State(ctx context.Context, conn *pgx.Conn, spec Spec) (state string, err error) {
	err = readOnly(ctx, conn, func(tx pgx.Tx) error {
		all, err := expand(ctx, tx, spec)
		if err != nil {
			return err
		}
		seen, err := fingerprint(ctx, tx, all.spec)
		if err != nil {
			return err
		}
		filters, _, err := loadFilters(ctx, tx)
		if err != nil {
			return fmt.Errorf("read pgherald.filter_fields: %w", err)
		}
		state = fmt.Sprintf("%s %x", seen, sha256.Sum256(fmt.Append(nil, filters)))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("look for a change of the spec or the triggers: %w", err)
	}
	return state, nil
}

// IsSame reports whether both have the same name, version and content.
func (s Spec) IsSame(other Spec) bool {
	return s.Name == other.Name && s.Version == other.Version && s.hash() == other.hash()
}

package triggers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// generator is the version of the generated SQL. Raise it with the first change of what generate returns after a
// release: a program with a lower one does not replace what a program with a higher one has installed.
// TestGeneratorIsRaised compares the golden files with those of the last release.
const generator = 2

// record is a row of pgherald.specs: a state of a spec that is or was installed.
type record struct {
	name, hash string
	version    int64 // 0 for none
	generator  int
	appliedAt  time.Time
	appliedBy  string
	replaced   bool
}

// hash identifies the content of a spec, whatever its name, version, comments and layout. The patterns count, and not
// the tables that they match: a table that comes and goes makes no spec older than another.
func (s Spec) hash() string {
	if s.source != "" {
		return s.source
	}
	text, err := json.Marshal(s.Tables)
	if err == nil && len(s.Patterns) > 0 {
		var patterns []byte
		patterns, err = json.Marshal(s.Patterns)
		text = append(text, patterns...)
	}
	if err != nil {
		panic("encode a spec: " + err.Error()) // it holds texts, lists and booleans only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// label names the spec and its version, for messages.
func (s Spec) label() string { return specLabel(s.Name, s.Version) }

func specLabel(name string, version int64) string {
	if version == 0 {
		return "spec " + name
	}
	return fmt.Sprintf("spec %s (version %d)", name, version)
}

// loadRecords returns the states of all specs.
func loadRecords(ctx context.Context, tx pgx.Tx) ([]record, error) {
	rows, err := tx.Query(ctx, `
		select r.name, r.hash, coalesce(r.version, 0), r.generator, r.applied_at, r.applied_by, r.replaced_at is not null
		from pgherald.specs as r
		order by r.name, r.applied_at`)
	if err != nil {
		return nil, err
	}
	var records []record
	var r record
	targets := []any{&r.name, &r.hash, &r.version, &r.generator, &r.appliedAt, &r.appliedBy, &r.replaced}
	_, err = pgx.ForEachRow(rows, targets, func() error {
		records = append(records, r)
		return nil
	})
	return records, err
}

// record returns the installed state of a spec.
func (found installed) record(name string) (record, bool) {
	for _, r := range found.records {
		if r.name == name && !r.replaced {
			return r, true
		}
	}
	return record{}, false
}

// isCurrent reports that the state of the spec, as this program generates it, was applied last.
func (found installed) isCurrent(spec Spec) bool {
	have, ok := found.record(spec.Name)
	return ok && have.hash == spec.hash() && have.generator == generator
}

// wasReplaced reports that a spec was installed with this hash before, and with another one since.
func (found installed) wasReplaced(name, hash string) bool {
	for _, r := range found.records {
		if r.name == name && r.hash == hash {
			return r.replaced
		}
	}
	return false
}

// SupersededError reports a spec that is older than the installed one of the same name. Applying it would undo
// what was applied since, as a server does that restarts with an old file during a deployment.
type SupersededError struct {
	// Spec names the spec, and Reason says why it is older.
	Spec, Reason string
	// Remedy says how to apply it all the same.
	Remedy string
}

// Error says why the spec is older and what to do.
func (e *SupersededError) Error() string { return e.drift().String() }

func (e *SupersededError) drift() Drift {
	return Drift{Kind: KindSuperseded, Message: e.Spec + " is older than the installed one: " + e.Reason, Remedy: e.Remedy}
}

const applyForce = "run `pgherald apply --force` to install it all the same"

// superseded returns the SupersededError of a spec that must not replace the installed one, or nil.
func (found installed) superseded(spec Spec) *SupersededError {
	have, ok := found.record(spec.Name)
	if !ok {
		return nil
	}
	by := fmt.Sprintf("applied %s by %s", have.appliedAt.UTC().Format("2006-01-02 15:04:05 UTC"), have.appliedBy)
	switch {
	case generator < have.generator:
		return &SupersededError{
			spec.label(), fmt.Sprintf("a newer pgherald has generated its triggers (%s, generator %d; this program has %d)", by, have.generator, generator),
			"use that program, or " + applyForce,
		}
	case spec.Version < have.version:
		own := "this one has none"
		if spec.Version > 0 {
			own = fmt.Sprintf("this one has version %d", spec.Version)
		}
		return &SupersededError{
			"spec " + spec.Name, fmt.Sprintf("version %d is installed (%s), and %s", have.version, by, own),
			"raise its version, or " + applyForce + otherDefault(spec.Name),
		}
	case spec.Version == have.version && found.wasReplaced(spec.Name, spec.hash()):
		return &SupersededError{
			spec.label(), fmt.Sprintf("it was installed before, and has been replaced (%s)", by),
			"give it a higher version, or " + applyForce + otherDefault(spec.Name),
		}
	}
	return nil
}

// otherDefault warns that specs which are not the same may have the name of one without a name.
func otherDefault(name string) string {
	if name != defaultName {
		return ""
	}
	return "; --tables and all files without a name are spec " + defaultName + " and replace each other: if two of them shall watch tables " +
		"of this database, write `name: …` into a file"
}

// recordSpec returns the change that stores the state of the spec, or none if it is stored already. It is no
// drift: the triggers can be right all the same.
func recordSpec(spec Spec, found installed) []change {
	have, ok := found.record(spec.Name)
	hash := spec.hash()
	if ok && have.hash == hash && have.version == spec.Version && have.generator == generator {
		return nil
	}
	name, version := quoteLiteral(spec.Name), "null"
	if spec.Version > 0 {
		version = strconv.FormatInt(spec.Version, 10)
	}
	return []change{{
		action: "record " + spec.label(),
		sql: []string{
			fmt.Sprintf("update pgherald.specs set replaced_at = clock_timestamp() where name = %s and hash <> %s and replaced_at is null",
				name, quoteLiteral(hash)),
			fmt.Sprintf(`insert into pgherald.specs (name, hash, version, generator)
values (%s, %s, %s, %d)
on conflict (name, hash) do update
set version = excluded.version, generator = excluded.generator, applied_at = excluded.applied_at,
    applied_by = excluded.applied_by, replaced_at = null`, name, quoteLiteral(hash), version, generator),
		},
	}}
}

// loadSpecs reads whose the functions are.
func (found *installed) loadSpecs(ctx context.Context, tx pgx.Tx) error {
	err := tx.QueryRow(ctx, `select to_regclass('pgherald.specs') is not null`).Scan(&found.hasSpecs)
	if err != nil {
		return fmt.Errorf("look for the table pgherald.specs: %w", err)
	}
	if !found.hasSpecs {
		return nil
	}
	if found.records, err = loadRecords(ctx, tx); err != nil {
		return fmt.Errorf("read pgherald.specs: %w", err)
	}
	if found.owners, err = loadOwners(ctx, tx); err != nil {
		return fmt.Errorf("read pgherald.trigger_functions: %w", err)
	}
	if found.filters, found.hasFilters, err = loadFilters(ctx, tx); err != nil {
		return fmt.Errorf("read pgherald.filter_fields: %w", err)
	}
	return nil
}

// loadForSpec returns what is installed, or an error if that must not be compared with the spec.
func loadForSpec(ctx context.Context, tx pgx.Tx, spec Spec, force bool) (installed, error) {
	if spec.isEmpty() && spec.source == "" { // a pattern that matches nothing is another mistake
		return installed{}, errNoTables
	}
	found, err := loadInstalled(ctx, tx)
	if err != nil {
		return installed{}, err
	}
	if !found.hasSpecs {
		return installed{}, errOldTables
	}
	if err := found.superseded(spec); err != nil && !force {
		return installed{}, err
	}
	return found, nil
}

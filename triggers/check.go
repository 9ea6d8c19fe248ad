package triggers

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Drift is one difference between the spec and the database.
type Drift struct {
	// Message describes the difference, and Remedy how to remove it.
	Message, Remedy string
}

// String returns the drift as one line.
func (d Drift) String() string { return d.Message + "; " + d.Remedy }

// Check reports what Apply would change, and changes nothing. It also reports an expression that no longer
// fits its table, because a column was dropped for example.
func Check(ctx context.Context, conn *pgx.Conn, spec Spec) ([]Drift, error) {
	var drifts []Drift
	err := readOnly(ctx, conn, func(tx pgx.Tx) error {
		found, err := loadInstalled(ctx, tx)
		if err != nil {
			return err
		}
		relations, err := loadRelations(ctx, tx, spec)
		if err != nil {
			return err
		}
		for _, c := range planChanges(generateAll(spec, relations), found) {
			drifts = append(drifts, Drift{c.drift, "run `pgherald triggers apply`"})
		}
		mistakes, err := validate(ctx, tx, spec, relations)
		for _, mistake := range mistakes {
			drifts = append(drifts, Drift{mistake.Error(), "writes may fail; correct the spec or the table, then run `pgherald triggers apply`"})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("check triggers: %w", err)
	}
	return drifts, nil
}

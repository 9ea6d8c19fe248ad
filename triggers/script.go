package triggers

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// SQL returns the whole script that the spec generates for this database. It changes nothing.
func SQL(ctx context.Context, conn *pgx.Conn, spec Spec) (string, error) {
	var script string
	err := readOnly(ctx, conn, func(tx pgx.Tx) error {
		relations, err := loadRelations(ctx, tx, spec)
		if err != nil {
			return err
		}
		script = generateAll(spec, relations).script()
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("generate triggers: %w", err)
	}
	return script, nil
}

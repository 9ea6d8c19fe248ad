package triggers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// SQL returns the whole script that the spec generates for this database. It changes nothing.
func SQL(ctx context.Context, conn *pgx.Conn, spec Spec) (string, error) {
	var script string
	err := rolledBack(ctx, conn, func(tx pgx.Tx) error {
		relations, err := loadRelations(ctx, tx, spec)
		if err != nil {
			return err
		}
		rights, w, err := scriptRights(ctx, tx, spec, relations)
		if err != nil {
			return err
		}
		script = rights + generateAll(spec, relations).script(w)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("generate triggers: %w", err)
	}
	return script, nil
}

// scriptRights generates the statements that give writerRole the rights which the functions need, and record them. They
// are empty where the role is not in use.
func scriptRights(ctx context.Context, tx pgx.Tx, spec Spec, relations []relation) (string, writer, error) {
	found, err := loadInstalled(ctx, tx)
	if errors.Is(err, errNoLog) || err == nil && !found.writer.inUse {
		return "", writer{}, nil
	}
	if err != nil {
		return "", writer{}, err
	}
	needs := make(map[string][]need)
	for i, t := range spec.Tables {
		all, err := rightsOf(ctx, tx, resolved{table: t, rel: relations[i]})
		if err != nil {
			return "", writer{}, err
		}
		maps.Copy(needs, all)
	}
	added, err := grantsFor(ctx, tx, needs)
	if err != nil {
		return "", writer{}, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "-- The rights of the functions, which belong to %s.\n", writerRole)
	var done []need
	for _, g := range added {
		if (!g.has || g.direct) && !slices.Contains(done, g.need) {
			done = append(done, g.need)
			b.WriteString(g.grant() + ";\n")
		}
	}
	for _, sql := range recordSQL(added, needs, nil) {
		b.WriteString(sql + ";\n")
	}
	return b.String() + "\n", found.writer, nil
}

package triggers

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// inspectLockTimeout bounds how long Inspect waits for an Apply.
const inspectLockTimeout = 5 * time.Second

// loadDrift returns the tables of the spec that pgherald.drift holds.
func loadDrift(ctx context.Context, tx pgx.Tx, spec Spec) ([]Name, error) {
	byText := make(map[string]Name)
	for _, t := range spec.Tables {
		byText[t.Name.String()] = t.Name
	}
	rows, err := tx.Query(ctx, `select table_name from pgherald.drift order by table_name`)
	if err != nil {
		return nil, err
	}
	var names []Name
	var text string
	_, err = pgx.ForEachRow(rows, []any{&text}, func() error {
		if name, ok := byText[text]; ok {
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

// markDrift records that events of the tables may be missed from now on.
func markDrift(ctx context.Context, tx pgx.Tx, tables []Name) error {
	_, err := tx.Exec(ctx, `
		insert into pgherald.drift (table_name)
		select t.name from unnest($1::text[]) as t (name)
		on conflict do nothing`, texts(tables))
	if err != nil {
		return fmt.Errorf("write pgherald.drift: %w", err)
	}
	return nil
}

// unmarkDrift records that no events of the tables are missed from now on.
func unmarkDrift(ctx context.Context, tx pgx.Tx, tables []Name) error {
	if _, err := tx.Exec(ctx, `delete from pgherald.drift where table_name = any($1::text[])`, texts(tables)); err != nil {
		return fmt.Errorf("write pgherald.drift: %w", err)
	}
	return nil
}

// logResets tells every client to load the tables again.
func logResets(ctx context.Context, tx pgx.Tx, tables []Name) error {
	if len(tables) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `
		insert into pgherald.events (type, key, audience, data)
		select $1, null, null, json_build_object('table', t.name)
		from unnest($2::text[]) with ordinality as t (name, place)
		order by t.place`, typeReset, texts(tables))
	if err != nil {
		return fmt.Errorf("log a %s: %w", typeReset, err)
	}
	_, err = tx.Exec(ctx, `
		select pgherald.wake(json_build_object('op', 'drift', 'rows', $1::bigint, 'xid', pg_current_xact_id()::text))`, len(tables))
	if err != nil {
		return fmt.Errorf("send a wake-up: %w", err)
	}
	return nil
}

func texts(names []Name) []string {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = n.String()
	}
	return texts
}

package api

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/api/auth"
)

// Both are of this transaction alone, so they are gone when the connection goes to somebody else,
// also through a pooler. The roles are JSON, since a name may hold any character that could stand
// between two of them.
const userSQL = `
select
    set_config('pgherald.user', @user::text, true),
    set_config('pgherald.roles', @roles::text, true)`

// tell lets the database's own policies and triggers know on whose behalf the transaction is.
func tell(ctx context.Context, tx pgx.Tx, id auth.Identity) error {
	if id.User == "" {
		return nil
	}
	roles, err := json.Marshal(append([]string{}, id.Roles...)) // [] and never null
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, userSQL, pgx.NamedArgs{"user": id.User, "roles": string(roles)}); err != nil {
		return fmt.Errorf("tell the database who asks: %w", err)
	}
	return nil
}

package bounds

import (
	"context"
	"time"
)

// rollbackLimit is how long PostgreSQL may take to roll back.
const rollbackLimit = 2 * time.Second

// Rollback ends a transaction, or a savepoint, also after the end of ctx: the connection is usable again, or closed. That it takes
// at most two seconds matters where the connection dies between the last statement and this one. It is for `defer`: after a commit
// it does nothing, and its error says nothing that the caller could use.
func Rollback(ctx context.Context, tx interface{ Rollback(context.Context) error }) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackLimit)
	defer cancel()
	_ = tx.Rollback(ctx)
}

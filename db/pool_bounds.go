package db

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/bounds"
)

// boundsKey is the key of the connection's custom data under which the statements of localBounds are stored.
const boundsKey = "pgherald.bounds"

// sharedKey is the key under which boundPooled stores whether a pooler may share the session.
const sharedKey = "pgherald.shared"

// transactionTimeout bounds a transaction of a Pool as a whole, from PostgreSQL 17 on. The clients of a Pool give up
// after ten seconds.
const transactionTimeout = "; set local transaction_timeout = '11s'"

// boundPooled prepares a connection that may lead through a pooler in transaction mode. A session without a pooler
// keeps its bounds, so that an idle connection of a dead server does not occupy PostgreSQL either. Otherwise they must
// not outlive the transaction. A pooler is recognized by the process id, which it invents.
func boundPooled(ctx context.Context, conn *pgx.Conn) error {
	var tcp, others string
	var process uint32
	var hasTransactionTimeout bool
	row := conn.QueryRow(ctx, bounds.StatementsSQL, pgx.QueryExecModeSimpleProtocol)
	if err := row.Scan(&tcp, &others, &process, &hasTransactionTimeout); err != nil {
		return fmt.Errorf("read which settings the server knows: %w", err)
	}
	local := ""
	if hasTransactionTimeout {
		local = transactionTimeout
	}
	conn.PgConn().CustomData()[sharedKey] = process != conn.PgConn().PID()
	if process == conn.PgConn().PID() {
		if _, err := conn.Exec(ctx, bounds.SessionSQL, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("bound a session: %w", err)
		}
	} else {
		local += others + tcp
	}
	conn.PgConn().CustomData()[boundsKey] = local
	return nil
}

// localBounds returns the statements that follow BEGIN on a connection that boundPooled has prepared.
func localBounds(conn *pgx.Conn) string {
	local, _ := conn.PgConn().CustomData()[boundsKey].(string)
	return local
}

// isShared reports whether a pooler may share the session of a connection that boundPooled has prepared.
func isShared(conn *pgx.Conn) bool {
	shared, _ := conn.PgConn().CustomData()[sharedKey].(bool)
	return shared
}

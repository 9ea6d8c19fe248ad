package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
)

// connectTimeout bounds the first connection of every command.
const connectTimeout = 10 * time.Second

// Connect opens one connection, which may lead through a pooler in transaction mode. The error says what to do if the database cannot be reached or its server
// is too old or a standby.
func Connect(ctx context.Context, url string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	config, err := db.ParsePooled(url, "pgherald")
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	if err := db.CheckServer(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return conn, nil
}

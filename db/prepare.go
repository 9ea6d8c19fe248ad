package db

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// prepareWith lets a function prepare each new connection of a pool, within the time that the connection itself may take. pgx makes
// connections in the background, whatever the limit of the caller is: one that gets no answer would keep its place in the pool for ever.
func prepareWith(config *pgxpool.Config, prepare func(context.Context, *pgx.Conn) error) {
	limit := config.ConnConfig.ConnectTimeout
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return prepare(ctx, conn)
	}
}

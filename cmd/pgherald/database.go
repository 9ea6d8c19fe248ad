package main

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
)

// databaseFlags name the database.
type databaseFlags struct {
	DatabaseURL string `required:"" secret:"url" env:"DATABASE_URL" placeholder:"URL" help:"The database, as postgres://user:password@host:5432/name."`
}

// specFlags name the watched tables.
type specFlags struct {
	Spec string `type:"existingfile" env:"PGHERALD_SPEC" placeholder:"FILE" help:"YAML file that names the tables to watch. Default: the tables of the activities."`
}

// connect calls do with a connection and closes the connection.
func (f databaseFlags) connect(ctx context.Context, do func(*pgx.Conn) error) error {
	conn, err := server.Connect(ctx, f.DatabaseURL)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return do(conn)
}

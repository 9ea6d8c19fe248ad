package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/triggers"
)

// databaseFlags name the database.
type databaseFlags struct {
	DatabaseURL string `required:"" secret:"url" env:"DATABASE_URL" placeholder:"URL" help:"The database, as postgres://user@host:5432/name. Other users can read a command line: with a password, use the variable or the file of --config."`
}

// specFlags name the watched tables.
type specFlags struct {
	Tables []string `env:"PGHERALD_TABLES" placeholder:"NAME" help:"Tables to watch with all defaults, such as public.orders,public.customers; public.* and * are patterns, and '!public.audit' excludes. pgherald init shows what they imply."`
	Spec   string   `type:"existingfile" env:"PGHERALD_SPEC" placeholder:"FILE" help:"YAML file that says which tables to watch, and how. Default: the tables of the activities."`
}

func (f specFlags) watch() server.Watch { return server.Watch{Spec: f.Spec, Tables: f.Tables} }

// lockFlags say how long to try to lock tables.
type lockFlags struct {
	LockTimeout time.Duration `default:"${default_lock_timeout}" env:"PGHERALD_LOCK_TIMEOUT" placeholder:"TIME" help:"How long to try to lock the watched tables for a change of triggers, in total (default ${default}). Writers do not wait that long: each attempt takes a tenth of a second."`
}

// lockOptions returns the options for a change of triggers.
func (f lockFlags) lockOptions(a *app) []triggers.Option {
	return []triggers.Option{triggers.LockTimeout(f.LockTimeout), server.LogWaits(a.logger)}
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

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/triggers"
)

// connectTimeout bounds the first connection of every command.
const connectTimeout = 10 * time.Second

// databaseFlags say which database.
type databaseFlags struct {
	DatabaseURL string `required:"" env:"DATABASE_URL" placeholder:"URL" help:"The database, as postgres://user:password@host:5432/name."`
}

// specFlags say which tables are watched.
type specFlags struct {
	Spec string `type:"existingfile" env:"PGHERALD_SPEC" placeholder:"FILE" help:"Watch the tables that this YAML file names, instead of the activities."`
}

// load returns the spec, and the migrations that belong to it.
func (f specFlags) load() (triggers.Spec, []migrations.Set, error) {
	if f.Spec == "" {
		return triggers.Workload(), []migrations.Set{migrations.Engine(), migrations.Workload()}, nil
	}
	text, err := os.ReadFile(f.Spec)
	if err != nil {
		return triggers.Spec{}, nil, fmt.Errorf("read spec: %w", err)
	}
	spec, err := triggers.Parse(text)
	if err != nil {
		return triggers.Spec{}, nil, fmt.Errorf("read spec %s: %w", f.Spec, err)
	}
	return spec, []migrations.Set{migrations.Engine()}, nil
}

// connect opens one connection to a server that is fit for use.
func (f databaseFlags) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	config, err := pgx.ParseConfig(f.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	db.UseUTF8(config)
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	if err := db.CheckServer(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return conn, nil
}

// openPool opens connections for the API.
func openPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	db.UseUTF8(config.ConnConfig)
	return pgxpool.NewWithConfig(ctx, config)
}

// with runs do on one connection.
func (f databaseFlags) with(ctx context.Context, do func(*pgx.Conn) error) error {
	conn, err := f.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return do(conn)
}

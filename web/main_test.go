package web_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/triggers"
)

func TestMain(m *testing.M) { pgtest.Main(m, watchWorkload) }

// watchWorkload creates the tables of the workload and their triggers.
func watchWorkload(ctx context.Context, databaseURL string) error {
	if err := migrations.Up(ctx, databaseURL, migrations.Engine(), migrations.Workload()); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }() // Apply has committed; an error of Close changes nothing
	_, err = triggers.Apply(ctx, conn, triggers.Workload())
	return err
}

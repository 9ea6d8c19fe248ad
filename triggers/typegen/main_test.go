package typegen_test

import (
	"context"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, func(ctx context.Context, databaseURL string) error {
		return migrations.Up(ctx, databaseURL, migrations.Engine())
	})
}

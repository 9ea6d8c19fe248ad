package control_test

import (
	"context"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, func(ctx context.Context, url string) error { return migrations.Up(ctx, url, migrations.Engine()) })
}

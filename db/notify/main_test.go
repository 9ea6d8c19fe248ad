package notify_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(leaderProcessURL); url != "" {
		if err := runLeaderProcess(url, notify.LeaderStep(os.Getenv(leaderProcessHoldAt))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	pgtest.Main(m, func(ctx context.Context, url string) error { return migrations.Up(ctx, url, migrations.Engine()) })
}

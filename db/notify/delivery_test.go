package notify_test

import (
	"errors"
	"testing"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
)

func TestCheckDelivery(t *testing.T) {
	database := pgtest.NewDatabase(t)
	for name, c := range map[string]struct {
		url  string
		want error
	}{
		"direct":           {database, nil},
		"session mode":     {pgtest.NewPgBouncer(t, database, "session", 9) + "&default_query_exec_mode=exec", nil},
		"transaction mode": {pgtest.NewPgBouncer(t, database, "transaction", 2) + "&default_query_exec_mode=exec", db.ErrPooler},
	} {
		t.Run(name, func(t *testing.T) {
			listening, sending := pgtest.Connect(t, c.url), pgtest.Connect(t, c.url)
			for range 2 { // the first check leaves nothing behind
				if err := notify.CheckDelivery(t.Context(), listening, sending); !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
			}
			var channels int
			if err := pgtest.Connect(t, c.url).QueryRow(t.Context(), `select count(*) from pg_listening_channels()`).Scan(&channels); err != nil || channels > 0 {
				t.Errorf("a session listens on %d channels, %v", channels, err)
			}
		})
	}
}

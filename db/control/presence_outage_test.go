package control_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/db/pgtest"
)

// outages are ways in which servers lose the database for a minute. Each gets the servers that live on.
var outages = map[string]func(w *presenceTest, servers []*control.Presence){
	"refused": func(w *presenceTest, servers []*control.Presence) {
		down, cancel := context.WithCancel(w.Context())
		cancel()
		for at := 20 * time.Second; at < 80*time.Second; at += 5 * time.Second {
			for _, p := range servers {
				if p.Flush(down, time.Now().Add(at)) == nil {
					w.Fatal("wrote without a database")
				}
			}
		}
	},
	// A write that hangs and then succeeds reports no error. Nor does one of a server that was frozen, too.
	"frozen": func(*presenceTest, []*control.Presence) {},
	// The standby that took over had not received the last minutes, and no server noticed more than a moment.
	"failover with loss": func(w *presenceTest, servers []*control.Presence) {
		for at := 20 * time.Second; at < 80*time.Second; at += 10 * time.Second {
			if at == 30*time.Second {
				pgtest.Exec(w, w.conn, `update pgherald.replicas set last_seen = last_seen - interval '5 minutes'`)
			}
			for _, p := range servers {
				w.flush(p, at)
			}
		}
	},
}

// TestPresenceAfterAnOutage cuts three servers off for longer than the expiry, while a fourth one dies. The users of the
// three notice nothing, whichever returns first. Those of the dead one go offline one interval after the outage.
func TestPresenceAfterAnOutage(t *testing.T) {
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			w := newPresenceTest(t)
			servers := make([]*control.Presence, 3)
			var online []string
			for i := range servers {
				servers[i] = w.server()
				user := fmt.Sprint("user-", i)
				servers[i].Opened(user)
				servers[i].Opened("everywhere")
				w.flush(servers[i], 0)
				online = append(online, user+" on")
			}
			killed := w.server()
			killed.Opened("dan")
			killed.Opened("everywhere")
			w.flush(killed, 0)
			w.expectEvents(append(online, "everywhere on", "dan on")...)
			for _, p := range servers {
				w.flush(p, 10*time.Second)
			}
			outage(w, servers)
			back := 80 * time.Second
			if name != "failover with loss" {
				w.flush(servers[0], back) // the others are late
				w.expectEvents()
			}
			for at := back + 10*time.Second; at <= back+50*time.Second; at += 10 * time.Second {
				for _, p := range servers {
					w.flush(p, at)
				}
			}
			w.expectEvents("dan off")
		})
	}
}

package edgestore_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/pgherald/pgherald/db/edgestore"
	"github.com/pgherald/pgherald/db/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open starts a Redis and returns two clients of it, as two edges have.
func open(t *testing.T) (*redistest.Server, *edgestore.Store, *edgestore.Store) {
	t.Helper()
	server := redistest.Start(t)
	store := func() *edgestore.Store {
		return edgestore.New(server.Client(), func(name string) string { return "{test}:" + name })
	}
	return server, store(), store()
}

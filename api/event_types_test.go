package api_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/pgherald/pgherald/api"
)

// TestUnknownTypes refuses a misspelled type, unless the client says that it waits for it, has been connected before, or
// the types are not known, or the log cannot be read.
func TestUnknownTypes(t *testing.T) {
	var failure error
	lookups := 0
	types := api.EventTypes{Known: func() []string { return []string{"order_created", "order_updated"} }, Recent: func(context.Context) ([]string, error) {
		lookups++
		return []string{"call"}, failure
	}}
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) { o.add(types) }})
	for _, query := range []string{"", "?types=order_updated", "?types=order_updated,order_created", "?types=call", "?types=x&unknown=allow", "?types=x&lastEventId=k3f9-0", "?key=7"} {
		s.openSynced(query).disconnect()
	}
	s.openSynced("?types=x", "Last-Event-ID", "k3f9-0").disconnect()
	const advice = `has "ordre_created", of which there are no events: the types are call, order_created, order_updated; to wait for the first event of another type, add unknown=allow`
	for range 3 {
		s.expectProblem(http.StatusBadRequest, advice, http.MethodGet, "/api/events?types=call,ordre_created&since=k3f9-0")
	}
	s.expectProblem(http.StatusBadRequest, "unknown must be allow", http.MethodGet, "/api/events?unknown=1")
	if lookups != 1 {
		t.Errorf("%d look-ups, want 1", lookups)
	}
	open := types
	open.Known = func() []string { return nil } // the spec has a mistake since
	newStreamServer(t, streamServerOptions{api: func(o *apiOptions) { o.add(open) }}).openSynced("?types=x").disconnect()
	failure = errors.New("database away")
	other := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) { o.add(types) }})
	other.openSynced("?types=x").disconnect()
}

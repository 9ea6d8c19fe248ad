package edgestore_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pgherald/pgherald/db/edgestore"
	"github.com/pgherald/pgherald/stream/identity"
)

func TestRevocationsReachEdges(t *testing.T) {
	server, relay, edge := open(t)
	writer, reader := edgestore.NewRevocations(relay), edgestore.NewRevocations(edge)
	if _, _, _, err := reader.Read(t.Context(), 0); err == nil {
		t.Fatal("an edge knows the revocations before the relay has written them")
	}
	list := []identity.Revocation{{TokenID: "t1"}, {User: "ann", IssuedBefore: time.UnixMicro(1_700_000_000_123_456)}}
	disconnects := []identity.Disconnect{{ID: 7, User: "bob", Until: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)}}
	write := func() {
		t.Helper()
		if err := writer.Write(t.Context(), list, disconnects); err != nil {
			t.Fatal(err)
		}
	}
	read := func(since uint64) (next uint64) {
		t.Helper()
		gotList, gotDisconnects, next, err := reader.Read(t.Context(), since)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(list, gotList, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(disconnects, gotDisconnects, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
		return next
	}
	write()
	first := read(0)
	write() // the same
	if list, disconnects, next, err := reader.Read(t.Context(), first); err != nil || next != first || len(list)+len(disconnects) != 0 {
		t.Errorf("nothing new is %v, %v, %d after %d, %v", list, disconnects, next, first, err)
	}
	list = append(list, identity.Revocation{TokenID: "t2"})
	write()
	second := read(first)
	if second <= first {
		t.Errorf("number %d after %d", second, first)
	}
	server.Kill()
	server.Restart() // empty
	if _, _, _, err := reader.Read(t.Context(), second); err == nil {
		t.Error("read from an empty store")
	}
	list, disconnects = nil, nil
	write()
	if third := read(second); third <= second {
		t.Errorf("number %d after %d", third, second)
	}
}

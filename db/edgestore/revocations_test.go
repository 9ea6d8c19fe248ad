package edgestore_test

import (
	"strings"
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
	var written uint64
	write := func() {
		t.Helper()
		var err error
		if written, err = writer.Write(t.Context(), list, disconnects); err != nil {
			t.Fatal(err)
		}
	}
	confirm := func(want bool) {
		t.Helper()
		if has, err := writer.Confirm(t.Context(), written); has != want || err != nil {
			t.Errorf("the edges have it: %t, want %t (%v)", has, want, err)
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
	confirm(true)
	// The relay is gone for long.
	if err := server.Client().HSet(t.Context(), "{test}:revoked", "at", time.Now().Add(-edgestore.MaxAge-time.Minute).UnixMilli()).Err(); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := reader.Read(t.Context(), second); err == nil || !strings.Contains(err.Error(), "start pgherald relay") {
		t.Errorf("what is too old is read: %v", err)
	}
	confirm(true)
	read(0)
	server.Kill()
	server.Restart() // empty
	confirm(false)
	if _, _, _, err := reader.Read(t.Context(), second); err == nil {
		t.Error("read from an empty store")
	}
	list, disconnects = nil, nil
	write()
	if third := read(second); third <= second {
		t.Errorf("number %d after %d", third, second)
	}
}

// TestRevocationsAreNotTakenBack restores the store from a dump that lacks a revocation. An edge that runs does not forget it.
func TestRevocationsAreNotTakenBack(t *testing.T) {
	server, relay, edge := open(t)
	writer, reader := edgestore.NewRevocations(relay), edgestore.NewRevocations(edge)
	write := func(list ...identity.Revocation) (number uint64) {
		t.Helper()
		number, err := writer.Write(t.Context(), list, nil)
		if err != nil {
			t.Fatal(err)
		}
		return number
	}
	read := func(want int) {
		t.Helper()
		list, _, _, err := reader.Read(t.Context(), 0)
		if err != nil || len(list) != want {
			t.Errorf("%d revocations, want %d (%v)", len(list), want, err)
		}
	}
	write(identity.Revocation{TokenID: "t1"})
	read(1)
	server.Save()
	number := write(identity.Revocation{TokenID: "t1"}, identity.Revocation{TokenID: "t2"})
	read(2)
	server.Kill()
	server.Restart()
	for range 2 {
		if list, _, _, err := reader.Read(t.Context(), number); err == nil {
			t.Errorf("an edge takes back a revocation: %v", list)
		}
	}
	write(identity.Revocation{TokenID: "t1"}, identity.Revocation{TokenID: "t2"})
	read(2)
}

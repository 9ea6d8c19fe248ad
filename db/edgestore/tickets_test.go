package edgestore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/db/edgestore"
	"github.com/pgherald/pgherald/stream/identity"
)

func TestATicketOpensOneStreamAtAnyEdge(t *testing.T) {
	_, one, other := open(t)
	id := identity.Identity{
		User: "ann", Roles: []string{"a", "b"}, Grants: []string{"role:a", "user:ann"}, TokenID: "t1",
		Expires: time.Unix(2e9, 5e6), IssuedAt: time.Unix(1e9, 0),
	}
	expires, err := edgestore.NewTickets(one).Issue(t.Context(), []byte("hash"), id, time.Minute)
	if err != nil || time.Until(expires) > time.Minute {
		t.Fatalf("issued until %v: %v", expires, err)
	}
	got, valid, err := edgestore.NewTickets(other).Redeem(t.Context(), []byte("hash"))
	if diff := cmp.Diff(id, got); err != nil || !valid || diff != "" {
		t.Errorf("redeemed: %t, %v, %s", valid, err, diff)
	}
	if _, valid, err := edgestore.NewTickets(one).Redeem(t.Context(), []byte("hash")); valid || err != nil {
		t.Errorf("redeemed again: %t, %v", valid, err)
	}
}

func TestATicketWithoutAnEnd(t *testing.T) {
	_, one, _ := open(t)
	tickets := edgestore.NewTickets(one)
	if _, err := tickets.Issue(t.Context(), []byte("hash"), identity.Identity{}, time.Minute); err != nil {
		t.Fatal(err)
	}
	got, valid, err := tickets.Redeem(t.Context(), []byte("hash"))
	if err != nil || !valid || !got.Expires.IsZero() || !got.IssuedAt.IsZero() {
		t.Errorf("redeemed %+v: %t, %v", got, valid, err)
	}
}

// TestValuesThatAreTooLarge writes values that would take an edge's memory, as a program with an edge's rights can.
func TestValuesThatAreTooLarge(t *testing.T) {
	server, store, _ := open(t)
	large := `{"v":1,"user":"` + strings.Repeat("x", 2<<20) + `"}`
	for _, name := range []string{"edge:ticket:68617368", "edge:renewal:c", "edge:renewed:c"} {
		if err := server.Client().Set(t.Context(), "{test}:"+name, large, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if _, valid, err := edgestore.NewTickets(store).Redeem(t.Context(), []byte("hash")); valid || err != nil {
		t.Errorf("a ticket of 2 MiB is valid: %t, %v", valid, err)
	}
	renewals := edgestore.NewRenewals(store)
	if _, _, answered, err := renewals.Result(t.Context(), "c", nil); answered || err != nil {
		t.Errorf("an answer of 2 MiB is one: %t, %v", answered, err)
	}
	err := renewals.Answer(t.Context(), "c", nil, time.Time{}, func(identity.Identity) bool {
		t.Error("a request of 2 MiB renews a lease")
		return true
	})
	if err != nil {
		t.Error(err)
	}
}

// TestGarbageIsNothing puts what other programs may write in the place of everything that edges read.
func TestGarbageIsNothing(t *testing.T) {
	server, store, _ := open(t)
	for _, text := range []string{"", "x", "null", "[]", "{}", `{"user":1}`, "\xff\x00"} {
		for _, name := range []string{"edge:ticket:68617368", "edge:renewal:c", "edge:renewed:c"} {
			if err := server.Client().Set(t.Context(), "{test}:"+name, text, 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
		id, valid, err := edgestore.NewTickets(store).Redeem(t.Context(), []byte("hash"))
		if err != nil || valid || id.User != "" {
			t.Errorf("redeemed %q: %+v, %t, %v", text, id, valid, err)
		}
		renewals := edgestore.NewRenewals(store)
		if _, accepted, _, err := renewals.Result(t.Context(), "c", []byte("rights")); accepted || err != nil {
			t.Errorf("%q is an answer: %t, %v", text, accepted, err)
		}
		err = renewals.Answer(t.Context(), "c", []byte("rights"), time.Time{}, func(identity.Identity) bool {
			t.Errorf("%q renewed a lease", text)
			return true
		})
		if err != nil {
			t.Error(err)
		}
		if err := server.Client().HSet(t.Context(), "{test}:revoked", "number", text, "text", text).Err(); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := edgestore.NewRevocations(store).Read(t.Context(), 0); err == nil {
			t.Errorf("revocations read from %q", text)
		}
	}
	for _, name := range []string{"edge:ticket:68617368", "edge:renewal:c", "edge:renewed:c", "revoked", "edge:alive"} { // of another type
		if err := server.Client().Del(t.Context(), "{test}:"+name).Err(); err != nil {
			t.Fatal(err)
		}
		if err := server.Client().LPush(t.Context(), "{test}:"+name, "x").Err(); err != nil {
			t.Fatal(err)
		}
	}
	if _, valid, err := edgestore.NewTickets(store).Redeem(t.Context(), []byte("hash")); valid || err == nil {
		t.Errorf("redeemed a list: %t, %v", valid, err)
	}
	if _, _, _, err := edgestore.NewRevocations(store).Read(t.Context(), 0); err == nil {
		t.Error("revocations read from a list")
	}
	if _, err := edgestore.NewEdges(store).Look(t.Context()); err == nil {
		t.Error("users read from a list")
	}
}

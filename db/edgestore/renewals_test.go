package edgestore_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/edgestore"
	"github.com/pgherald/pgherald/stream/identity"
)

func TestARenewalIsAnsweredByAnotherEdge(t *testing.T) {
	server, one, other := open(t)
	notified := make(chan string)
	listen := func() (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			edgestore.NewControl(other, slog.New(slog.DiscardHandler)).Listen(ctx, func(text string) {
				select {
				case notified <- text:
				case <-ctx.Done():
				}
			})
		}()
		return func() { cancel(); <-ended }
	}
	defer listen()()
	rights, until := []byte("rights"), time.Unix(2e9, 0)
	asking, answering := edgestore.NewRenewals(one), edgestore.NewRenewals(other)
	request := func(connection string) {
		t.Helper()
		err := asking.Request(t.Context(), connection, rights, identity.Identity{Expires: until, TokenID: "t2"})
		if err != nil {
			t.Fatal(err)
		}
	}
	awaitNotice := func(connection string) {
		t.Helper()
		deadline := time.NewTimer(patience)
		defer deadline.Stop()
		for { // a message before the subscription is lost: its sender asks again
			request(connection)
			select {
			case text := <-notified:
				if text == connection {
					return
				}
				if text != "c" { // of an earlier request
					t.Fatalf("notified of %q", text)
				}
			case <-time.After(100 * time.Millisecond):
			case <-deadline.C:
				t.Fatalf("not notified of %q", connection)
			}
		}
	}
	awaitNotice("c")
	if _, _, answered, err := asking.Result(t.Context(), "c", rights); answered || err != nil {
		t.Fatalf("answered before the answer: %v", err)
	}
	var renewed identity.Identity
	err := answering.Answer(t.Context(), "c", rights, until.Add(-time.Hour), func(id identity.Identity) bool {
		renewed = id
		if _, _, answered, err := asking.Result(t.Context(), "c", rights); answered || err != nil {
			t.Errorf("answered before the lease was renewed: %v", err)
		}
		return true
	})
	if err != nil || renewed.TokenID != "t2" || !renewed.Expires.Equal(until) {
		t.Errorf("renewed with %+v: %v", renewed, err)
	}
	if end, accepted, answered, err := asking.Result(t.Context(), "c", rights); err != nil || !accepted || !answered || !end.Equal(until) {
		t.Errorf("the answer is %v, %t, %t, %v", end, accepted, answered, err)
	}
	if _, _, answered, err := asking.Result(t.Context(), "c", []byte("others")); answered || err != nil {
		t.Errorf("other rights have the answer: %v", err)
	}

	request("c") // other rights
	if err := answering.Answer(t.Context(), "c", []byte("others"), until, func(identity.Identity) bool {
		t.Error("renewed with other rights")
		return true
	}); err != nil {
		t.Error(err)
	}
	if _, accepted, answered, err := asking.Result(t.Context(), "c", rights); accepted || !answered || err != nil {
		t.Errorf("with other rights: %t, %t, %v", accepted, answered, err)
	}

	server.Kill()
	server.Restart()
	awaitNotice("after the restart") // the listener has come back
}

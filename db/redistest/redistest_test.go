package redistest_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pgherald/pgherald/db/redistest"
)

func TestRestartsWithWhatItSaved(t *testing.T) {
	s := redistest.Start(t)
	set := func(value string) {
		t.Helper()
		if err := s.Client().Set(t.Context(), "key", value, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	get := func() string {
		t.Helper()
		value, err := s.Client().Get(t.Context(), "key").Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
		return value
	}
	set("saved")
	s.Save()
	old := s.Dump()
	set("not saved")
	s.Kill()
	s.Restart()
	if got := get(); got != "saved" {
		t.Errorf("after a kill the key is %q", got)
	}
	set("newer")
	s.Save()
	s.Kill()
	s.Restore(old)
	s.Restart()
	if got := get(); got != "saved" {
		t.Errorf("with the old dump the key is %q", got)
	}
	s.Kill()
	s.Wipe()
	s.Restart()
	if got := get(); got != "" {
		t.Errorf("restarted empty, the key is %q", got)
	}
}

// Another program has the port until the first attempt has failed.
func TestRestartsOnAPortThatWasTaken(t *testing.T) {
	s := redistest.Start(t)
	s.Kill()
	l, err := net.Listen("tcp", s.Addr())
	if err != nil {
		t.Skipf("another program has the port: %v", err)
	}
	freed := make(chan struct{})
	go func() {
		defer close(freed)
		defer l.Close()
		poll := time.NewTicker(5 * time.Millisecond)
		defer poll.Stop()
		for t.Context().Err() == nil {
			<-poll.C
			if text, _ := os.ReadFile(s.LogFile()); bytes.Contains(text, []byte("Address already in use")) {
				return
			}
		}
	}()
	s.Restart()
	<-freed
	if err := s.Client().Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
}

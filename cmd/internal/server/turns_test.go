package server

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/pgherald/pgherald/api/metrics"
)

// A full frame waits for no turn, which others may have taken for long.
func TestFullFramesTakeNoTurn(t *testing.T) {
	s := newSocketServer(t, socketLimits{})
	s.sockets.turns.SetLimit(0)
	c := s.dialFrames("127.0.0.1")
	for range 10 {
		stream := c.stream
		err := errors.Join(c.open("POST", "/read", false), c.WriteData(stream, true, make([]byte, http2Frame)))
		if err != nil {
			t.Fatal(err)
		}
		c.awaitFrame(http2.FrameHeaders, 0)
	}
	if got := s.sockets.turns.Tokens(); got != maxTurn {
		t.Errorf("%v bytes are left for turns, want %d", got, maxTurn)
	}
}

// However many sockets wait for a turn, none is promised one in a distant future, and none waits when it is closed.
func TestTurnsAreSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSockets(socketLimits{streams: func() int { return 0 }}, metrics.New(""), slog.New(slog.DiscardHandler))
		s.turns.SetLimit(maxTurn) // one a second
		start := time.Now()
		var running sync.WaitGroup
		for range 100 {
			_, conn := net.Pipe()
			admitted := s.admit(conn)
			running.Go(func() {
				if !admitted.account(maxTurn) {
					t.Error("a socket is closed that sent no flood")
				}
			})
		}
		synctest.Wait()
		if ahead := -s.turns.Tokens() / maxTurn; ahead > turnWithin.Seconds() {
			t.Errorf("turns of %v s are promised", ahead)
		}
		s.closeIdle(time.Now())
		running.Wait()
		if waited := time.Since(start); waited > 0 {
			t.Errorf("sockets waited %s after their end", waited)
		}
	})
}

// Each socket has its turn in the end.
func TestTurnsComeToAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSockets(socketLimits{streams: func() int { return 0 }}, metrics.New(""), slog.New(slog.DiscardHandler))
		s.turns.SetLimit(maxTurn)
		start := time.Now()
		var running sync.WaitGroup
		for range 21 {
			_, conn := net.Pipe()
			admitted := s.admit(conn)
			admitted.allowance.refilled = start.Add(time.Hour) // waiting earns nothing
			running.Go(func() { admitted.account(maxTurn) })
		}
		running.Wait()
		if waited := time.Since(start); waited < 20*time.Second {
			t.Errorf("21 turns were taken in %s, want one a second after the first", waited)
		}
		s.closeIdle(time.Now())
	})
}

package pgherald

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgherald/pgherald/clients/go/pgheraldtest"
	"github.com/pgherald/pgherald/stream/backoff"
)

func TestSilenceLeadsToAReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var cursors []string
		var connected []time.Duration
		client := &http.Client{Transport: transport(func(r *http.Request, w *io.PipeWriter) {
			cursors = append(cursors, r.Header.Get("Last-Event-ID"))
			connected = append(connected, time.Since(began))
			io.WriteString(w, "retry: 2000\n\n"+pgheraldtest.WithID("c1", pgheraldtest.Row(len(cursors))))
			for range 3 { // a comment counts as activity
				_ = backoff.Sleep(r.Context(), time.Minute)
				io.WriteString(w, ":\n")
			}
			<-r.Context().Done() // a dead connection
		})}
		f := newRecorder(t, "http://pgherald", Options{HTTPClient: client})
		if err := f.receive(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		if want := []string{"", "c1"}; !slices.Equal(cursors, want) {
			t.Errorf("cursors = %q, want %q", cursors, want)
		}
		if want := 3*time.Minute + 75*time.Second + 2*time.Second; connected[1] != want {
			t.Errorf("second connection after %v, want %v", connected[1], want)
		}
		if len(f.status) != 1 || !strings.Contains(f.status[0], "nothing arrived") {
			t.Errorf("status = %q", f.status)
		}
	})
}

// TestSilenceFollowsTheHeartbeat says the time between two heartbeats in the first sync event, and sends none.
func TestSilenceFollowsTheHeartbeat(t *testing.T) {
	for sync, want := range map[string]time.Duration{
		`{"mode":"live","heartbeat":8000}`:                22 * time.Second,
		`{"mode":"resumed","heartbeat":1}`:                2*time.Second + 5*time.Millisecond/2,
		`{"mode":"live","heartbeat":60000}`:               75 * time.Second,
		`{"mode":"live","heartbeat":9000000000000000000}`: 75 * time.Second,
		`{"mode":"live","heartbeat":-8000}`:               75 * time.Second,
		`{"mode":"resumed"}`:                              75 * time.Second,
		`{"mode":"stale","heartbeat":8000}`:               22 * time.Second,
		`{"mode":"reset","heartbeat":200000}`:             75 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			var connected []time.Duration
			client := &http.Client{Transport: transport(func(r *http.Request, w *io.PipeWriter) {
				connected = append(connected, time.Since(began))
				io.WriteString(w, "retry: 2000\n\n"+pgheraldtest.WithID("c0", pgheraldtest.Sync(sync))+pgheraldtest.WithID("c1", pgheraldtest.Row(len(connected))))
				<-r.Context().Done()
			})}
			f := newRecorder(t, "http://pgherald", Options{HTTPClient: client})
			if err := f.receive(t.Context(), 2); err != nil {
				t.Fatal(err)
			}
			if got := connected[1] - 2*time.Second; got != want {
				t.Errorf("%s: dead after %v, want %v", sync, got, want)
			}
		})
	}
}

func TestEventsEndWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := transport(func(r *http.Request, _ *io.PipeWriter) { <-r.Context().Done() })
		broken := transport(func(_ *http.Request, w *io.PipeWriter) { w.CloseWithError(errors.New("broken")) })
		for name, tr := range map[string]transport{"reading": silent, "waiting to retry": broken} {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			f := newRecorder(t, "http://pgherald", Options{HTTPClient: &http.Client{Transport: tr}})
			f.client.jitter = func(d time.Duration) time.Duration { return d }
			if err := f.receive(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: receive = %v", name, err)
			}
			cancel()
		}
	})
}

// TestEventsComeOnce follows a server that cuts every connection at a random byte, and
// sends the missing transactions in a new order each time.
func TestEventsComeOnce(t *testing.T) {
	const transactions, each = 16, 4
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			client := &http.Client{Transport: transport(func(r *http.Request, w *io.PipeWriter) {
				body := unseen(random, r.Header.Get("Last-Event-ID"), transactions, each)
				io.WriteString(w, body[:random.IntN(len(body)+1)])
				w.CloseWithError(io.ErrUnexpectedEOF)
			})}
			f := newRecorder(t, "http://pgherald", Options{HTTPClient: client})
			if err := f.receive(t.Context(), transactions*each); err != nil {
				t.Fatal(err)
			}
			slices.Sort(f.ids)
			for i, id := range f.ids {
				if id != int64(i)+1 {
					t.Fatalf("seed %d: event %d was lost or came twice", seed, min(id, int64(i)+1))
				}
			}
			if f.IsWithinTransaction() {
				t.Errorf("seed %d: %d events are still held as partial", seed, len(f.position.partial))
			}
		})
	}
}

// unseen returns a stream of the transactions that the cursor, here a list of them, does not contain.
func unseen(random *rand.Rand, cursor string, transactions, each int) string {
	seen := strings.FieldsFunc(cursor, func(r rune) bool { return r == '.' })
	var b strings.Builder
	b.WriteString(pgheraldtest.WithID(cursor+".", pgheraldtest.Sync(`{"mode":"resumed"}`)))
	for _, x := range random.Perm(transactions) {
		if slices.Contains(seen, strconv.Itoa(x)) {
			continue
		}
		for i := range each - 1 {
			b.WriteString(pgheraldtest.Row(x*each + i + 1))
		}
		seen = append(seen, strconv.Itoa(x))
		fmt.Fprint(&b, pgheraldtest.WithID(strings.Join(seen, "."), pgheraldtest.Row(x*each+each)))
	}
	return b.String()
}

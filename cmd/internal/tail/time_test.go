package tail

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
)

func TestSilenceLeadsToAReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var cursors []string
		var connected []time.Duration
		client := &http.Client{Transport: transport(func(r *http.Request, w *io.PipeWriter) {
			cursors = append(cursors, r.Header.Get("Last-Event-ID"))
			connected = append(connected, time.Since(began))
			io.WriteString(w, "retry: 2000\n\n"+withID("c1", row(len(cursors))))
			for range 3 { // a comment counts as activity
				_ = sleep(r.Context(), time.Minute)
				io.WriteString(w, ":\n")
			}
			<-r.Context().Done() // a dead connection
		})}
		f := newRecordedFollower(t, "http://pgherald", client, printOptions{json: true, count: 2})
		if err := f.follow(t.Context()); !errors.Is(err, errCountReached) {
			t.Fatal(err)
		}
		if want := []string{"", "c1"}; !slices.Equal(cursors, want) {
			t.Errorf("cursors = %q, want %q", cursors, want)
		}
		if want := 3*time.Minute + 75*time.Second + 2*time.Second; connected[1] != want {
			t.Errorf("second connection after %v, want %v", connected[1], want)
		}
		if !strings.Contains(f.stderr.String(), "nothing arrived for 1m15s") {
			t.Errorf("stderr does not give the reason:\n%s", &f.stderr)
		}
	})
}

func TestFollowEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := transport(func(r *http.Request, _ *io.PipeWriter) { <-r.Context().Done() })
		broken := transport(func(_ *http.Request, w *io.PipeWriter) { w.CloseWithError(errors.New("broken")) })
		for name, tr := range map[string]transport{"reading": silent, "waiting to retry": broken} {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			f := newRecordedFollower(t, "http://pgherald", &http.Client{Transport: tr}, printOptions{})
			f.jitter = func(d time.Duration) time.Duration { return d }
			if err := f.follow(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: follow = %v", name, err)
			}
			cancel()
		}
	})
}

// TestFollowPrintsEachEventOnce follows a server that cuts every connection at a random byte, and
// sends the missing transactions in a new order each time.
func TestFollowPrintsEachEventOnce(t *testing.T) {
	const transactions, each = 16, 4
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			client := &http.Client{Transport: transport(func(r *http.Request, w *io.PipeWriter) {
				body := unseen(random, r.Header.Get("Last-Event-ID"), transactions, each)
				io.WriteString(w, body[:random.IntN(len(body)+1)])
				w.CloseWithError(io.ErrUnexpectedEOF)
			})}
			f := newRecordedFollower(t, "http://pgherald", client, printOptions{json: true, count: transactions * each})
			if err := f.follow(t.Context()); !errors.Is(err, errCountReached) {
				t.Fatal(err)
			}
			ids := printedIDs(t, f.stdout.String())
			slices.Sort(ids)
			for i, id := range ids {
				if id != i+1 {
					t.Fatalf("seed %d: event %d was lost or printed twice", seed, min(id, i+1))
				}
			}
			if len(f.once.partial) != 0 {
				t.Errorf("seed %d: %d events are still held as partial", seed, len(f.once.partial))
			}
		})
	}
}

// unseen returns a stream of the transactions that the cursor, here a list of them, does not contain.
func unseen(random *rand.Rand, cursor string, transactions, each int) string {
	seen := strings.FieldsFunc(cursor, func(r rune) bool { return r == '.' })
	var b strings.Builder
	b.WriteString(withID(cursor+".", syncFrame(`{"mode":"resumed"}`)))
	for _, x := range random.Perm(transactions) {
		if slices.Contains(seen, strconv.Itoa(x)) {
			continue
		}
		for i := range each - 1 {
			b.WriteString(row(x*each + i + 1))
		}
		seen = append(seen, strconv.Itoa(x))
		fmt.Fprint(&b, withID(strings.Join(seen, "."), row(x*each+each)))
	}
	return b.String()
}

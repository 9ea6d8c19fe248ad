package main

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

func TestTailReconnectsWhenNothingArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var cursors []string
		var came []time.Duration
		client := &http.Client{Transport: transport(func(r *http.Request, w *io.PipeWriter) {
			cursors = append(cursors, r.Header.Get("Last-Event-ID"))
			came = append(came, time.Since(began))
			io.WriteString(w, "retry: 2000\n\n"+at("c1", row(len(cursors))))
			for range 3 { // a comment is a sign of life too
				_ = sleep(r.Context(), time.Minute)
				io.WriteString(w, ":\n")
			}
			<-r.Context().Done() // a dead connection: nothing, not even its end
		})}
		tl := newTail(t, "http://pgherald", client, tailPrintOptions{json: true, count: 2})
		if err := tl.follow(t.Context()); !errors.Is(err, errCounted) {
			t.Fatal(err)
		}
		if want := []string{"", "c1"}; !slices.Equal(cursors, want) {
			t.Errorf("cursors = %q, want %q", cursors, want)
		}
		if want := 3*time.Minute + 75*time.Second + 2*time.Second; came[1] != want {
			t.Errorf("second connection after %v, want %v", came[1], want)
		}
		if !strings.Contains(tl.stderr.String(), "nothing arrived for 1m15s") {
			t.Errorf("stderr does not say why:\n%s", &tl.stderr)
		}
	})
}

func TestTailEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := transport(func(r *http.Request, _ *io.PipeWriter) { <-r.Context().Done() })
		broken := transport(func(_ *http.Request, w *io.PipeWriter) { w.CloseWithError(errors.New("broken")) })
		for name, tr := range map[string]transport{"while it reads": silent, "while it waits": broken} {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			tl := newTail(t, "http://pgherald", &http.Client{Transport: tr}, tailPrintOptions{})
			tl.jitter = func(d time.Duration) time.Duration { return d }
			if err := tl.follow(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: follow = %v", name, err)
			}
			cancel()
		}
	})
}

// TestTailPrintsEachEventOnce has a server that tears every connection at a random byte, and
// sends what was not seen in a new order each time.
func TestTailPrintsEachEventOnce(t *testing.T) {
	const transactions, each = 16, 4
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			client := &http.Client{Transport: transport(func(r *http.Request, w *io.PipeWriter) {
				body := unseen(random, r.Header.Get("Last-Event-ID"), transactions, each)
				io.WriteString(w, body[:random.IntN(len(body)+1)])
				w.CloseWithError(io.ErrUnexpectedEOF)
			})}
			tl := newTail(t, "http://pgherald", client, tailPrintOptions{json: true, count: transactions * each})
			if err := tl.follow(t.Context()); !errors.Is(err, errCounted) {
				t.Fatal(err)
			}
			ids := printedIDs(t, tl.stdout.String())
			slices.Sort(ids)
			for i, id := range ids {
				if id != i+1 {
					t.Fatalf("seed %d: event %d was lost or printed twice", seed, min(id, i+1))
				}
			}
			if len(tl.once.torn) != 0 {
				t.Errorf("seed %d: %d events are still remembered", seed, len(tl.once.torn))
			}
		})
	}
}

// unseen streams the transactions that are not in the cursor, which here is simply their list.
func unseen(random *rand.Rand, cursor string, transactions, each int) string {
	seen := strings.FieldsFunc(cursor, func(r rune) bool { return r == '.' })
	var b strings.Builder
	b.WriteString(at(cursor+".", syncFrame(`{"mode":"resumed"}`)))
	for _, x := range random.Perm(transactions) {
		if slices.Contains(seen, strconv.Itoa(x)) {
			continue
		}
		for i := range each - 1 {
			b.WriteString(row(x*each + i + 1))
		}
		seen = append(seen, strconv.Itoa(x))
		fmt.Fprint(&b, at(strings.Join(seen, "."), row(x*each+each)))
	}
	return b.String()
}

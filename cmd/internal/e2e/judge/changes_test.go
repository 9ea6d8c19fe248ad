package judge

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/stream/streamtest"
)

// writeHistory returns a random history of transactions on three rows, and a client that received it.
func writeHistory(transactions int) (*Truth, Received) {
	rng := rand.New(rand.NewPCG(1, 2))
	tr := &Truth{
		Table: Counters(), Fixed: []string{"a", "b", "c"},
		Journal: make(map[string]Tally), State: map[string]int{"a": 0, "b": 0, "c": 0}, Log: make(map[int64]Logged),
	}
	r := Received{Name: "client", Client: &streamtest.Client{}}
	id := int64(0)
	for n := range transactions {
		xid := fmt.Sprint(100 + n)
		var events []streamtest.Envelope
		for range 1 + rng.IntN(4) {
			id++
			row := tr.Fixed[rng.IntN(len(tr.Fixed))]
			tr.State[row]++
			tr.Log[id] = Logged{xid, "row_updated"}
			events = append(events, event(id, "row_updated", row, tr.State[row], xid))
		}
		tr.Journal[xid] = Tally{Updated: len(events)}
		r.Transactions = append(r.Transactions, events)
	}
	return tr, r
}

// changed returns a client with another list of transactions.
func changed(r Received, transactions ...[][]streamtest.Envelope) Received {
	r.Client = &streamtest.Client{Transactions: slices.Concat(transactions...)}
	return r
}

// TestCheckRejectsEveryChange makes each change at each place of a history: the judge must notice all.
func TestCheckRejectsEveryChange(t *testing.T) {
	tr, r := writeHistory(40)
	if err := tr.Check(r); err != nil {
		t.Fatal(err)
	}
	all := r.Transactions
	reject := func(change string, n int, r Received) {
		t.Helper()
		if err := tr.Check(r); err == nil {
			t.Errorf("%s at transaction %d was accepted", change, n)
		}
	}
	for n, events := range all {
		before, after := all[:n], all[n+1:]
		one := all[n : n+1]
		reject("a lost transaction", n, changed(r, before, after))
		reject("a repeated transaction", n, changed(r, before, one, one, after))
		reject("a transaction repeated at the end", n, changed(r, all, one))
		for i := range events {
			lost := slices.Delete(slices.Clone(events), i, i+1)
			if len(lost) > 0 {
				reject("a lost event", n, changed(r, before, [][]streamtest.Envelope{lost}, after))
			}
			twice := slices.Insert(slices.Clone(events), i, events[i])
			reject("a repeated event", n, changed(r, before, [][]streamtest.Envelope{twice}, after))
			if i > 0 {
				reject("a torn transaction", n, changed(r, before, [][]streamtest.Envelope{events[:i], events[i:]}, after))
				swapped := slices.Clone(events)
				swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
				reject("reordered events", n, changed(r, before, [][]streamtest.Envelope{swapped}, after))
			}
		}
		if len(after) == 0 {
			continue
		}
		next := after[0]
		reject("two transactions in one", n, changed(r, before, [][]streamtest.Envelope{slices.Concat(events, next)}, after[1:]))
		if shareRow(events, next) { // others may arrive in any order
			reject("reordered transactions", n, changed(r, before, [][]streamtest.Envelope{next, events}, after[1:]))
		}
	}
}

func shareRow(a, b []streamtest.Envelope) bool {
	rows := make(map[string]bool)
	for _, e := range a {
		p, _ := decode(e)
		rows[p.row] = true
	}
	return slices.ContainsFunc(b, func(e streamtest.Envelope) bool {
		p, _ := decode(e)
		return rows[p.row]
	})
}

// TestCheckRejectsTornFrames cuts the bytes of a stream at each place, and resumes it with the frame after the
// cut, as a server would that counts a frame as sent when a part of it was. Either the client or the judge must
// notice, but for a cut between two transactions.
func TestCheckRejectsTornFrames(t *testing.T) {
	tr, r := writeHistory(6)
	var frames []string
	for _, events := range r.Transactions {
		for i, e := range events {
			id := ""
			if i == len(events)-1 {
				id = fmt.Sprintf("id: c-%d\n", e.ID)
			}
			frames = append(frames, fmt.Sprintf("%sdata: {\"id\":%d,\"type\":%q,\"data\":%s}\n\n", id, e.ID, e.Type, e.Data))
		}
	}
	text := strings.Join(frames, "")
	rest, next := 0, 0 // where the frame at the cut ends, and its number
	for cut := 1; cut < len(text); cut++ {
		if cut > rest {
			rest += len(frames[next])
			next++
		}
		var c streamtest.Client
		_, err := c.Write([]byte(text[:cut]))
		c.Disconnect()
		if err == nil {
			_, err = c.Write([]byte(text[rest:]))
		}
		if err == nil {
			err = tr.Check(Received{Name: "client", Client: &c})
		}
		if complete := cut == rest && strings.HasPrefix(frames[next-1], "id: "); complete != (err == nil) {
			t.Errorf("a cut after %d bytes, in %q: %v", cut, frames[next-1], err)
		}
	}
}

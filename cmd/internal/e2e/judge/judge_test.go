package judge

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/stream/streamtest"
)

// history is two transactions on the rows a (fixed) and b: 10 updates a and inserts b, 11 updates both.
func history() *Truth {
	return &Truth{
		Table:   Counters(),
		Fixed:   []string{"a"},
		Journal: map[string]Tally{"10": {Updated: 1, Other: 1}, "11": {Updated: 2}},
		State:   map[string]int{"a": 2, "b": 2},
		Log: map[int64]Logged{
			1: {"10", "row_updated"}, 2: {"10", "row_inserted"}, 3: {"11", "row_updated"}, 4: {"11", "row_updated"},
		},
	}
}

func event(id int64, kind, row string, counter int, xid string) streamtest.Envelope {
	data := fmt.Sprintf(`{"id":%q,"counter":%d,"txid":%q}`, row, counter, xid)
	return streamtest.Envelope{ID: id, Type: kind, Data: json.RawMessage(data)}
}

// exact returns a client that received the history.
func exact() Received {
	return Received{Name: "client", Client: &streamtest.Client{Transactions: [][]streamtest.Envelope{
		{event(1, "row_updated", "a", 1, "10"), event(2, "row_inserted", "b", 1, "10")},
		{event(3, "row_updated", "a", 2, "11"), event(4, "row_updated", "b", 2, "11")},
	}}}
}

func TestCheckAcceptsWhatHappened(t *testing.T) {
	if err := history().Check(exact()); err != nil {
		t.Error(err)
	}
	filtered := exact()
	filtered.Types = []string{"row_updated"}
	filtered.Transactions[0] = filtered.Transactions[0][:1]
	if err := history().Check(filtered); err != nil {
		t.Errorf("with a filter: %v", err)
	}
}

func TestCheckRejects(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Truth, *Received)
		want   string
	}{
		"a reset":               {func(_ *Truth, r *Received) { r.Resets = 1 }, "1 resets"},
		"a missing transaction": {func(_ *Truth, r *Received) { r.Transactions = r.Transactions[:1] }, "is missing; 2 arrived"},
		"a missing event":       {func(_ *Truth, r *Received) { r.Transactions[1] = r.Transactions[1][:1] }, "event 4 of transaction 11 is missing"},
		"an event twice":        {func(_ *Truth, r *Received) { r.Transactions = append(r.Transactions, r.Transactions[1]) }, "arrived twice"},
		"an invented event":     {func(_ *Truth, r *Received) { r.Transactions[0][0].ID = 99 }, "99 arrived and is not in the log"},
		"another type":          {func(_ *Truth, r *Received) { r.Transactions[0][0].Type = "row_deleted" }, "arrived as row_deleted"},
		"a type outside the filter": {func(_ *Truth, r *Received) {
			r.Types = []string{"row_updated"}
		}, "arrived as row_inserted"},
		"a transaction in two pieces": {func(_ *Truth, r *Received) {
			r.Transactions = append(r.Transactions[:1], r.Transactions[1][:1], r.Transactions[1][1:])
		}, "transaction 11 arrived with 1 events, want 2"},
		"two transactions in one piece": {func(_ *Truth, r *Received) {
			r.Transactions = [][]streamtest.Envelope{append(r.Transactions[0], r.Transactions[1]...)}
		}, "transaction 10 arrived with 4 events, want 2"},
		"the order within a transaction": {func(_ *Truth, r *Received) {
			t := r.Transactions[1]
			t[0], t[1] = t[1], t[0]
		}, "event 3 arrived after 4"},
		"the order of transactions": {func(_ *Truth, r *Received) {
			r.Transactions[0], r.Transactions[1] = r.Transactions[1], r.Transactions[0]
		}, "has counter 2 after 0"},
		"a foreign event in a transaction": {func(_ *Truth, r *Received) {
			r.Transactions[1][1] = event(4, "row_updated", "b", 2, "10")
		}, `event 4 of transaction "10" arrived within transaction 11`},
		"a transaction that was rolled back": {func(tr *Truth, _ *Received) { delete(tr.Journal, "11") }, "in the journal: false"},
		"a transaction that the log lost": {func(tr *Truth, r *Received) {
			delete(tr.Log, 3)
			delete(tr.Log, 4)
			r.Transactions = r.Transactions[:1]
		}, "transaction 11 with 2 events is missing"},
		"another final state":   {func(tr *Truth, _ *Received) { tr.State["a"] = 3 }, "row a is at 3, its last event has 2"},
		"a row without events":  {func(tr *Truth, _ *Received) { tr.State["c"] = 1 }, "row c is at 1"},
		"a deletion unreported": {func(tr *Truth, _ *Received) { delete(tr.State, "b") }, "row b exists: false"},
		"garbage":               {func(_ *Truth, r *Received) { r.Transactions[0][0].Data = json.RawMessage(`[]`) }, "decode row_updated"},
	} {
		t.Run(name, func(t *testing.T) {
			truth, received := history(), exact()
			c.change(truth, &received)
			if err := truth.Check(received); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Check returned %v, want %q", err, c.want)
			}
		})
	}
}

func TestCheckRejectsOtherBytesAtASecondClient(t *testing.T) {
	truth, second := history(), exact()
	if err := truth.Check(exact()); err != nil {
		t.Fatal(err)
	}
	second.Transactions[0][0].Data = append(second.Transactions[0][0].Data, ' ')
	if err := truth.Check(second); err == nil || !strings.Contains(err.Error(), "at another client") {
		t.Errorf("Check returned %v", err)
	}
}

func TestCheckWriters(t *testing.T) {
	good := Ledger{Committed: map[string]Tally{"10": {1, 1}, "11": {2, 0}}, RolledBack: []string{"12"}, Unknown: []string{"13"}}
	if err := history().CheckWriters(good); err != nil {
		t.Error(err)
	}
	reused := Ledger{RolledBack: []string{"11"}, Crashes: true}
	if err := history().CheckWriters(reused); err != nil {
		t.Errorf("after a crash: %v", err)
	}
	for want, bad := range map[string]Ledger{
		"committed with":  {Committed: map[string]Tally{"11": {1, 0}}},
		"was rolled back": {RolledBack: []string{"11"}},
		"transaction 14":  {Committed: map[string]Tally{"14": {1, 0}}},
	} {
		if err := history().CheckWriters(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("CheckWriters returned %v, want %q", err, want)
		}
	}
}

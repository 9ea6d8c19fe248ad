package judge

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// newHistory returns random transactions on three rows, a second apart, and their frames: a list for each transaction.
func newHistory(transactions int) (*History, [][]string) {
	rng := rand.New(rand.NewPCG(1, 2))
	h := &History{}
	var frames [][]string
	version := make(map[string]int)
	for n := range transactions {
		xid := fmt.Sprint(100 + n)
		var of []string
		for range 1 + rng.IntN(3) {
			row := string(rune('a' + rng.IntN(3)))
			version[row]++
			kind, op := "item_updated", "UPDATE"
			if version[row] == 1 {
				kind, op = "item_created", "INSERT"
			}
			data := fmt.Sprintf(`{"id":%q,"shard":"s","version":%d}`, row, version[row])
			id := int64(len(h.Log) + 1)
			h.Log = append(h.Log, Logged{ID: id, XID: xid, Type: kind, Key: row, Data: json.RawMessage(data), Written: epoch.Add(time.Duration(n) * time.Second), Committed: epoch.Add(time.Duration(n) * time.Second)})
			audited := Audited{XID: xid, Table: "items", Op: op, NewKey: row, Version: version[row]}
			if op == "UPDATE" {
				audited.OldKey = row
			}
			h.Audit = append(h.Audit, audited)
			of = append(of, fmt.Sprintf("data: {\"id\":%d,\"type\":%q,\"data\":%s,\"timestamp\":1}\n\n", id, kind, data))
		}
		of[len(of)-1] = fmt.Sprintf("id: c%d\n%s", n, of[len(of)-1])
		frames = append(frames, of)
	}
	h.Index()
	return h, frames
}

// all is a window that contains every transaction.
var all = Window{From: epoch.Add(-time.Hour), To: epoch.Add(time.Hour)}

// receive returns a client that received frames, each transaction a second after the one before.
func receive(c *Client, frames [][]string) *Client {
	c.Name = "client"
	for n, of := range frames {
		c.Feed([]byte(strings.Join(of, "")), epoch.Add(time.Duration(n)*time.Second))
	}
	return c
}

func TestCheckClientAcceptsWhatHappened(t *testing.T) {
	h, frames := newHistory(40)
	torn := receive(&Client{}, frames[:10])
	torn.Feed([]byte(frames[10][0][:5]), epoch.Add(10*time.Second))
	torn.Disconnected() // rule 2: what came after the last id line comes again
	for _, c := range []*Client{receive(&Client{}, frames), receive(&Client{Batch: true}, frames), receive(&Client{Conflate: true}, frames)} {
		if err := h.CheckClient(c, all); err != nil {
			t.Error(err)
		}
	}
	for n, of := range frames[10:] {
		torn.Feed([]byte(strings.Join(of, "")), epoch.Add(time.Duration(10+n)*time.Second))
	}
	if err := h.CheckClient(torn, all); err != nil {
		t.Error(err)
	}
	if err := h.CheckLog(); err != nil {
		t.Error(err)
	}
}

// TestCheckClientRejectsEveryChange makes each change at each place: the judge must notice all.
func TestCheckClientRejectsEveryChange(t *testing.T) {
	h, frames := newHistory(40)
	reject := func(change string, n int, changed ...[][]string) {
		t.Helper()
		if err := h.CheckClient(receive(&Client{}, slices.Concat(changed...)), all); err == nil {
			t.Errorf("%s at transaction %d was accepted", change, n)
		}
	}
	for n, of := range frames {
		before, one, after := frames[:n], frames[n:n+1], frames[n+1:]
		reject("a lost transaction", n, before, after)
		reject("a repeated transaction", n, before, one, one, after)
		reject("a transaction repeated at the end", n, frames, one)
		reject("an unknown event", n, before, [][]string{{"id: x\ndata: {\"id\":999,\"type\":\"item_updated\",\"data\":{}}\n\n"}}, frames[n:])
		reject("another version", n, before, [][]string{{strings.ReplaceAll(strings.Join(of, ""), `"version":`, `"version":7`)}}, after)
		if len(of) > 1 {
			reject("a lost event", n, before, [][]string{of[1:]}, after)
			reject("reordered events", n, before, [][]string{{of[1], of[0]}}, after)
			early := "id: early\n" + of[0]
			reject("a torn transaction", n, before, [][]string{{early}, of[1:]}, after)
			reject("a control event inside", n, before, [][]string{{of[0], "id: h\ndata: {\"type\":\"heartbeat\",\"data\":{}}\n\n"}, of[1:]}, after)
		}
		if len(after) > 8 {
			reject("a late transaction", n, before, after[:8], one, after[8:])
		}
		if len(after) > 0 {
			joined := slices.Concat(of[:len(of)-1], []string{strings.TrimPrefix(of[len(of)-1], fmt.Sprintf("id: c%d\n", n))}, after[0])
			reject("two transactions in one", n, before, [][]string{joined}, after[1:])
		}
	}
}

func TestCheckLogRejectsEveryChange(t *testing.T) {
	h, _ := newHistory(20)
	audit := h.Audit
	for n := range audit {
		for change, changed := range map[string][]Audited{
			"a write that is not in the audit": slices.Delete(slices.Clone(audit), n, n+1),
			"a write that is not in the log":   slices.Insert(slices.Clone(audit), n, audit[n]),
		} {
			if h.Audit = changed; h.CheckLog() == nil {
				t.Errorf("%s at %d was accepted", change, n)
			}
		}
	}
}

func TestCheckClientWithFilters(t *testing.T) {
	h, frames := newHistory(30)
	for name, filter := range map[string]Filter{
		"types": {Types: []string{"item_created"}}, "keys": {Keys: []string{"a"}}, "where": {Where: map[string][]string{"shard": {"t"}}},
	} {
		if err := h.CheckClient(receive(&Client{Filter: filter}, frames), all); err == nil {
			t.Errorf("%s: events that the filter excludes were accepted", name)
		}
	}
	if err := h.CheckClient(receive(&Client{Conflate: true}, frames[:29]), all); err == nil {
		t.Error("a client with conflation without the last state was accepted")
	}
	if err := h.CheckClient(receive(&Client{Filter: Filter{Where: map[string][]string{"shard": {"t"}}}}, nil), all); err != nil {
		t.Error(err)
	}
}

// TestCheckClientAfterAReset accepts that the events of before a reset are missing, and no others.
func TestCheckClientAfterAReset(t *testing.T) {
	h, frames := newHistory(30)
	reset := func(missing int) *Client {
		c := receive(&Client{}, frames[:10])
		c.Feed([]byte("id: c\ndata: {\"type\":\"sync\",\"data\":{\"mode\":\"reset\",\"reason\":\"other_log\"}}\n\n"), epoch.Add(14*time.Second+time.Millisecond))
		for n, of := range frames[15+missing:] {
			c.Feed([]byte(strings.Join(of, "")), epoch.Add(time.Duration(15+missing+n)*time.Second))
		}
		return c
	}
	if err := h.CheckClient(reset(0), all); err != nil {
		t.Error(err)
	}
	if err := h.CheckClient(reset(1), all); err == nil {
		t.Error("a gap after the reset was accepted")
	}
}

// TestCheckClientRejectsLiveAfterACursor rejects a connection that goes on with new events although it gave a cursor.
func TestCheckClientRejectsLiveAfterACursor(t *testing.T) {
	h, frames := newHistory(20)
	for mode, accepted := range map[string]bool{"live": false, "resumed": true} {
		c := receive(&Client{}, frames[:10])
		c.Disconnected()
		c.Feed(fmt.Appendf(nil, "id: c9\ndata: {\"type\":\"sync\",\"data\":{\"mode\":%q}}\n\n", mode), epoch.Add(9*time.Second))
		for n, of := range frames[10:] {
			c.Feed([]byte(strings.Join(of, "")), epoch.Add(time.Duration(10+n)*time.Second))
		}
		if err := h.CheckClient(c, all); (err == nil) != accepted {
			t.Errorf("a sync of the mode %s after a cursor: %v", mode, err)
		}
	}
}

// overtaking returns the history and a client of two transactions on different rows, of which the second arrives first.
func overtaking(first, second Logged, arrivals ...time.Duration) (*History, *Client) {
	first.ID, first.XID, first.Type, first.Key, first.Data = 1, "101", "item_created", "a", json.RawMessage(`{"id":"a"}`)
	second.ID, second.XID, second.Type, second.Key, second.Data = 2, "102", "item_created", "b", json.RawMessage(`{"id":"b"}`)
	h := &History{Log: []Logged{first, second}}
	h.Index()
	c := &Client{Name: "client"}
	for i, e := range []Logged{second, first} {
		c.Feed(fmt.Appendf(nil, "id: c%d\ndata: {\"id\":%d,\"type\":%q,\"data\":%s}\n\n", i, e.ID, e.Type, e.Data), epoch.Add(arrivals[i]))
	}
	return h, c
}

// TestCheckClientOvertaken rejects an event that comes long after one that was written long after its commit.
func TestCheckClientOvertaken(t *testing.T) {
	at := func(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }
	h, c := overtaking(Logged{Written: at(0), Committed: at(0)}, Logged{Written: at(10), Committed: at(10)}, 11*time.Second, 20*time.Second)
	if h.CheckClient(c, all) == nil {
		t.Error("an event that was overtaken was accepted")
	}
	h.Held = []Window{{From: at(-1), To: at(19)}}
	if err := h.CheckClient(c, all); err != nil {
		t.Errorf("a commit that waited for a standby: %v", err)
	}
	// A catch-up in the order of the writes, which stops between the two.
	h, c = overtaking(Logged{Written: at(1), Committed: at(1)}, Logged{Written: at(0), Committed: at(20)}, 30*time.Second, 40*time.Second)
	if err := h.CheckClient(c, all); err != nil {
		t.Errorf("a long transaction that was written first: %v", err)
	}
}

package stream

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestFrameBytes(t *testing.T) {
	at := time.UnixMilli(1764000000123)
	for name, test := range map[string]struct {
		event Event
		want  string
	}{
		"plain": {
			Event{ID: 1841, Type: "activity_updated", Data: []byte(`{"id":"x"}`), At: at},
			"data: {\"id\":1841,\"type\":\"activity_updated\",\"data\":{\"id\":\"x\"},\"timestamp\":1764000000123}\n\n",
		},
		"line breaks between tokens": {
			Event{ID: 1, Type: "a", Data: []byte("{\n\"id\":\r\n 1}\r"), At: at},
			"data: {\"id\":1,\"type\":\"a\",\"data\":{ \"id\":   1} ,\"timestamp\":1764000000123}\n\n",
		},
		"line breaks in the type": {
			Event{ID: 1, Type: "a\n\ndata: x\"", Data: []byte("null"), At: at},
			"data: {\"id\":1,\"type\":\"a\\n\\ndata: x\\\"\",\"data\":null,\"timestamp\":1764000000123}\n\n",
		},
		"oversized": {
			Event{ID: 1, Type: "a", Key: "k\"", Incomplete: Oversized, At: at},
			"data: {\"id\":1,\"type\":\"a\",\"key\":\"k\\\"\",\"oversized\":true,\"timestamp\":1764000000123}\n\n",
		},
		"oversized, without a key": {
			Event{ID: 1, Type: "a", Incomplete: Oversized, At: at},
			"data: {\"id\":1,\"type\":\"a\",\"oversized\":true,\"timestamp\":1764000000123}\n\n",
		},
	} {
		if frame, _, _ := appendFrame(nil, &test.event, appendJSONString(nil, test.event.Type)); string(frame) != test.want {
			t.Errorf("%s:\ngot  %q\nwant %q", name, frame, test.want)
		}
	}
}

func TestControlBytes(t *testing.T) {
	at := time.UnixMilli(1764000000000)
	c := NewCursor("k3f9", 100, []uint64{97})
	got := string(appendControl(appendID(nil, c), TypeHeartbeat, struct{}{}, at))
	want := "id: k3f9-2s~0-BQA\ndata: {\"type\":\"heartbeat\",\"data\":{},\"timestamp\":1764000000000}\n\n"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// The offsets of a frame find its parts in a transaction of several parts, and in the one frame that
// only keeps.
func TestFrameOffsets(t *testing.T) {
	events := []Event{
		{ID: 9, Type: "a", Data: json.RawMessage(`{"a":",\"timestamp\":1}"}`), At: time.UnixMilli(7)},
		{ID: 10, Type: `"data":`, Data: json.RawMessage("[1,\n2]"), At: time.UnixMilli(-1)},
		{ID: 11, Type: strings.Repeat("x", 100), Data: json.RawMessage(`null`), At: time.UnixMilli(1764000000123)},
		{ID: 12, Type: "o", Key: "k", Incomplete: Oversized, At: time.UnixMilli(8)},
	}
	e := &entry{}
	e.add(&Transaction{Events: events[:2]})
	e.add(&Transaction{Events: events[2:]})
	check := func(i int, ev Event) {
		t.Helper()
		if got, want := string(e.payload(i)), strings.ReplaceAll(string(ev.Data), "\n", " "); got != want {
			t.Errorf("event %d: got payload %s, want %s", ev.ID, got, want)
		}
		if got, want := string(e.timestamp(i)), fmt.Sprint(ev.At.UnixMilli()); got != want {
			t.Errorf("event %d: got timestamp %s, want %s", ev.ID, got, want)
		}
		frame, _, _ := appendFrame(nil, &ev, appendJSONString(nil, ev.Type))
		if got := string(e.chunk(i, i+1)); got != string(frame) {
			t.Errorf("event %d: got frame %q, want %q", ev.ID, got, frame)
		}
		if got := "data: " + string(e.envelope(i)) + "\n\n"; got != string(frame) {
			t.Errorf("event %d: got envelope in %q, want %q", ev.ID, got, frame)
		}
	}
	for i, ev := range events {
		check(i, ev)
	}
	e = e.only(1)
	check(0, events[1])
}

func TestBatchBytes(t *testing.T) {
	e := &entry{}
	e.add(&Transaction{Events: []Event{
		{ID: 1, Type: "a", Data: json.RawMessage(`{"x":1}`), At: time.UnixMilli(5)},
		{ID: 2, Type: "b", Data: json.RawMessage(`"y"`), At: time.UnixMilli(6)},
		{ID: 3, Type: "c", Data: json.RawMessage(`null`), At: time.UnixMilli(7)},
	}})
	filter := Filter{}.Batched(time.Second)
	out := filter.newOutput(nil)
	out.add(e, 0, 1, whole.at(0), nil)
	out.add(e, 1, 2, whole.at(0), []byte("id: k-1\n"))
	out.add(e, 2, 3, whole.at(0), nil)
	want := []string{
		`id: k-1` + "\n" + `data: {"type":"batch","data":{"events":[{"id":1,"type":"a","data":{"x":1},"timestamp":5},` +
			`{"id":2,"type":"b","data":"y","timestamp":6}]},"timestamp":6}` + "\n\n",
		`data: {"type":"batch","data":{"events":[{"id":3,"type":"c","data":null,"timestamp":7}]},"timestamp":7}` + "\n\n",
	}
	got := out.finish()
	if len(got) != len(want) {
		t.Fatalf("got %d batches: %q", len(got), got)
	}
	for i := range want {
		if string(got[i]) != want[i] {
			t.Errorf("batch %d:\ngot  %q\nwant %q", i, got[i], want[i])
		}
		if cap(got[i]) > len(got[i])+len(",") {
			t.Errorf("batch %d grew to %d bytes for %d", i, cap(got[i]), len(got[i]))
		}
	}
}

// TestEntrySize compares what entries are counted as with what the runtime allocates for them.
func TestEntrySize(t *testing.T) {
	for name, test := range map[string]struct {
		transactions, parts, events, payload int
		audience                             int
		moved                                bool
	}{
		"one event each":       {transactions: 20_000, parts: 1, events: 1, payload: 300},
		"small payloads":       {transactions: 20_000, parts: 1, events: 1, payload: 10},
		"with an audience":     {transactions: 10_000, parts: 1, events: 2, payload: 200, audience: 3},
		"moved":                {transactions: 10_000, parts: 1, events: 2, payload: 200, audience: 2, moved: true},
		"bulk statement":       {transactions: 1, parts: 100, events: 500, payload: 350},
		"bulk, small payloads": {transactions: 1, parts: 100, events: 500, payload: 20},
		"large payloads":       {transactions: 10, parts: 1, events: 1, payload: 1 << 20},
		"twenty parts":         {transactions: 50, parts: 20, events: 50, payload: 100},
	} {
		t.Run(name, func(t *testing.T) {
			before := heapInUse()
			r := newRingBuffer(1<<40, Cursor{})
			for x := range test.transactions {
				e := &entry{xid: uint64(x)}
				for range test.parts {
					events := someEvents(test.events, test.payload, test.audience)
					for i := 0; test.moved && i < len(events); i++ {
						events[i].Was, events[i].AudienceWas = []byte(fmt.Sprintf(`{"status":"open","total":%d}`, i)), []string{fmt.Sprint("user:", i)}
					}
					e.add(&Transaction{Events: events})
				}
				e.complete(NewCursor("k3f9", uint64(x+1), nil))
				r.push(e, func(*entry) {})
			}
			took := heapInUse() - before
			if share := float64(r.size) / float64(took); share < 0.9 || share > 1.1 {
				t.Errorf("counted %d bytes, allocated %d: a share of %.2f, want 0.9 to 1.1", r.size, took, share)
			}
			runtime.KeepAlive(r)
		})
	}
}

func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the first one leaves what a sync.Pool holds
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// someEvents returns events as a reading yields them: they share no memory.
func someEvents(n, payload, audience int) []Event {
	events := make([]Event, n)
	for i := range events {
		e := Event{
			ID: 1 << 40, Type: strings.Clone("activity_updated"), Key: fmt.Sprintf("1b4e28ba-2fa1-11d2-883f-%012d", i),
			Data: json.RawMessage(`"` + strings.Repeat("x", payload-2) + `"`), At: time.Now(),
		}
		for tag := range audience {
			e.Audience = append(e.Audience, fmt.Sprintf("role:number-%d", tag))
		}
		events[i] = e
	}
	return events
}

package stream

import (
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
		"a type that is none": {
			Event{ID: 1, Type: "a\n\ndata: x\"", Data: []byte("null"), At: at},
			"data: {\"id\":1,\"type\":\"a\\n\\ndata: x\\\"\",\"data\":null,\"timestamp\":1764000000123}\n\n",
		},
	} {
		if frame, _, _ := appendFrame(nil, &test.event); string(frame) != test.want {
			t.Errorf("%s:\ngot  %q\nwant %q", name, frame, test.want)
		}
	}
}

func TestControlBytes(t *testing.T) {
	at := time.UnixMilli(1764000000000)
	c := NewCursor("k3f9", 100, []uint64{97})
	got := string(appendControl(appendID(nil, c), TypeHeartbeat, struct{}{}, at))
	want := "id: k3f9-2s-3\ndata: {\"type\":\"heartbeat\",\"data\":{},\"timestamp\":1764000000000}\n\n"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// frames reads a stream strictly: events of one data line, an id line before the last event of a
// transaction, and an empty line between events.
type frames struct {
	in     *bufio.Reader
	cursor string // of its start
}

// openFrames opens a stream and reads its sync event. It opens another one if the server is stale for a moment.
func openFrames(ctx context.Context, t *testing.T, n *node) *frames {
	t.Helper()
	for {
		body := ask(ctx, t, n.at("/api/events")).Body
		f := &frames{in: bufio.NewReader(body)}
		f.line(t, "retry: ")
		f.line(t, "\n")
		f.cursor = f.line(t, "id: ")
		sync := f.line(t, `data: {"type":"sync","data":{"mode":"`)
		f.line(t, "\n")
		if strings.HasPrefix(sync, `live"`) {
			return f
		}
		if !strings.HasPrefix(sync, `stale"`) || ctx.Err() != nil {
			t.Fatalf("the stream started with %s, want live", sync)
		}
		_ = body.Close()
		pause(ctx, askAgain)
	}
}

// line reads a line with a prefix and returns the rest. A line must not contain \r, since browsers end lines
// there too.
func (f *frames) line(t *testing.T, prefix string) string {
	t.Helper()
	line, err := f.in.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, prefix) || strings.ContainsAny(line, "\r\x00") {
		t.Fatalf("line %.200q, %v; want %.200q", line, err, prefix)
	}
	return strings.TrimSuffix(strings.TrimPrefix(line, prefix), "\n")
}

// last reads the last event of a transaction, which has an id line, and returns its data line.
func (f *frames) last(t *testing.T) string {
	t.Helper()
	for {
		f.line(t, "id: ")
		if data := f.inner(t); !aboutStream(data) {
			return data
		}
	}
}

// aboutStream reports whether the event is about the stream itself: on a busy machine there are heartbeats, and streams
// are stale for a moment.
func aboutStream(data string) bool {
	return strings.HasPrefix(data, `{"type":"heartbeat"`) || strings.HasPrefix(data, `{"type":"sync"`)
}

// inner reads an event that is not the last of its transaction, and returns its data line.
func (f *frames) inner(t *testing.T) string {
	t.Helper()
	data := f.line(t, "data: ")
	f.line(t, "\n")
	return data
}

// checkEvent compares an event with the text of PostgreSQL, as JSON and byte by byte. The server replaces line
// breaks, which JSON allows between values, by spaces.
func checkEvent(t *testing.T, event, kind, want string) {
	t.Helper()
	var got struct {
		Type string
		Data json.RawMessage
	}
	if err := json.Unmarshal([]byte(event), &got); err != nil {
		t.Fatalf("event %.200q: %v", event, err)
	}
	if got.Type != kind {
		t.Fatalf("event of type %s, want %s", got.Type, kind)
	}
	if diff := cmp.Diff(decodeExactly(t, want), decodeExactly(t, string(got.Data))); diff != "" {
		t.Errorf("%s (-want +got):\n%.2000s", kind, diff)
	}
	if spaces := strings.NewReplacer("\n", " ", "\r", " ").Replace(want); spaces != string(got.Data) {
		t.Errorf("%s differs from the text of Postgres:\n%.300s\n%.300s", kind, got.Data, spaces)
	}
}

// checkActivity checks the type and the activity of an event.
func checkActivity(t *testing.T, event, kind, id string) {
	t.Helper()
	var got struct {
		Type string
		Data struct{ ID string }
	}
	if err := json.Unmarshal([]byte(event), &got); err != nil {
		t.Fatalf("event %.200q: %v", event, err)
	}
	if got.Type != kind || got.Data.ID != id {
		t.Fatalf("event %.300s, want %s of %s", event, kind, id)
	}
}

// decodeExactly decodes JSON without rounding numbers.
func decodeExactly(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("decode %.200q: %v", text, err)
	}
	return v
}

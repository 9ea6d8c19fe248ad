package bench

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestClientReads: however the bytes of a response are cut, chunked or not, HTTP/1.1 or HTTP/2,
// each event counts once.
var testKeys = keys{n: []byte(`"n"`), sent: []byte(`"sent"`)}

func TestClientReads(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const base = 1000
		n := rapid.IntRange(1, 20).Draw(t, "events")
		frames := []string{"retry: 2713\n\n", "id: k3f9\ndata: {\"type\":\"sync\",\"data\":{\"mode\":\"live\"}}\n\n"}
		for i := range n {
			frames = append(frames, fmt.Sprintf("id: k3-%d\ndata: {\"id\":7,\"data\":{\"n\" : %d, \"sent\" : %d, \"pad\" : \"xx\"}}\n\n", i, base+i, 5000+i))
		}
		kind := rapid.SampledFrom([]string{"plain", "chunked", "http2"}).Draw(t, "kind")
		response := encode(kind, cut(t, strings.Join(frames, "")))
		l := &load{keys: testKeys, config: loadConfig{AwaitFrame: true}, tally: tally{base: base, now: 6000}, pending: 1}
		c := &client{http2: kind == "http2"}
		for _, part := range cut(t, response) {
			if err := l.take(c, []byte(part)); err != nil {
				t.Fatal(err)
			}
		}
		if !c.ready || l.pending != 0 || l.status.Ready != 1 {
			t.Fatalf("the stream has not begun: %+v", l.status)
		}
		if r := (&load{conns: []*client{c}, tally: l.tally}).report(base, int64(base+n-1)); r.Complete != 1 || r.Received != int64(n) || len(r.First) != n {
			t.Fatalf("%d events gave %+v", n, r)
		}
		if len(c.frame) != 0 {
			t.Fatalf("%q was left over", c.frame)
		}
	})
}

// cut cuts a text into parts that are not empty.
func cut(t *rapid.T, text string) (parts []string) {
	for len(text) > 0 {
		n := rapid.IntRange(1, len(text)).Draw(t, "length")
		parts, text = append(parts, text[:n]), text[n:]
	}
	return parts
}

func encode(kind string, parts []string) string {
	var b strings.Builder
	switch kind {
	case "plain":
		b.WriteString("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + strings.Join(parts, ""))
	case "chunked":
		b.WriteString("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for _, p := range parts {
			fmt.Fprintf(&b, "%X\r\n%s\r\n", len(p), p)
		}
	default:
		b.Write(http2Frame(http2Headers, http2EndHeaders, 1, []byte{0x88}))
		for _, p := range parts {
			b.Write(http2Frame(http2Data, 0, 1, []byte(p)))
		}
	}
	return b.String()
}

func TestClientRefuses(t *testing.T) {
	t.Parallel()
	for _, response := range []string{
		"HTTP/1.1 503 Service Unavailable\r\n\r\ntoo many",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
	} {
		l := &load{pending: 1}
		if err := l.take(&client{}, []byte(response)); err == nil {
			t.Errorf("%q is taken for a stream", response)
		}
	}
}

// TestIncomplete: a client that got one event twice and another one never is not complete.
func TestIncomplete(t *testing.T) {
	t.Parallel()
	l := &load{conns: []*client{{count: 3, sum: 1 + 2 + 3}, {count: 3, sum: 1 + 1 + 3}, {count: 2, sum: 3}}}
	if r := l.report(1, 3); r.Complete != 1 {
		t.Errorf("%d of the three are complete, want the first only", r.Complete)
	}
}

func FuzzParseFrame(f *testing.F) {
	f.Add([]byte(`data: {"n":1,"sent":2}`))
	f.Add([]byte(`data: {"n" : 12, "sent" : 345, "pad" : ""}`))
	f.Add([]byte(`{"n"`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		n, sent, ok := testKeys.parse(frame)
		if !ok && (n != 0 && sent != 0) {
			t.Errorf("%q gives %d and %d, and is refused", frame, n, sent)
		}
	})
}

package load

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var testKeys = keys{n: []byte(`"n"`), sent: []byte(`"sent"`)}

// TestClientCountsEachEventOnce cuts the bytes of a response at random, in chunked coding, without it, and in
// HTTP/2.
func TestClientCountsEachEventOnce(t *testing.T) {
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
		l := &loop{keys: testKeys, config: config{AwaitFrame: true}, tally: tally{base: base, now: 6000}, connecting: 1}
		c := &client{http2: kind == "http2"}
		for _, part := range cut(t, response) {
			if err := l.consume(c, []byte(part)); err != nil {
				t.Fatal(err)
			}
		}
		if !c.ready || l.connecting != 0 || l.status.Ready != 1 {
			t.Fatalf("the stream is not ready: %+v", l.status)
		}
		if r := (&loop{conns: []*client{c}, tally: l.tally}).report(base, int64(base+n-1)); r.Complete != 1 || r.Received != int64(n) || len(r.First) != n {
			t.Fatalf("sent %d events, report is %+v", n, r)
		}
		if len(c.frame) != 0 {
			t.Fatalf("%q was not parsed", c.frame)
		}
	})
}

// cut cuts a text into non-empty parts.
func cut(t *rapid.T, text string) (parts []string) {
	for len(text) > 0 {
		n := rapid.IntRange(1, len(text)).Draw(t, "length")
		parts, text = append(parts, text[:n]), text[n:]
	}
	return parts
}

// encode makes a response with the parts as its body.
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

func TestClientRejectsInvalidResponses(t *testing.T) {
	t.Parallel()
	for _, response := range []string{
		"HTTP/1.1 503 Service Unavailable\r\n\r\ntoo many",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
	} {
		l := &loop{connecting: 1}
		if err := l.consume(&client{}, []byte(response)); err == nil {
			t.Errorf("%q was accepted as a stream", response)
		}
	}
}

// TestDuplicateMakesIncomplete has a client that received one event twice and another one never.
func TestDuplicateMakesIncomplete(t *testing.T) {
	t.Parallel()
	l := &loop{conns: []*client{{count: 3, sum: 1 + 2 + 3}, {count: 3, sum: 1 + 1 + 3}, {count: 2, sum: 3}}}
	if r := l.report(1, 3); r.Complete != 1 {
		t.Errorf("%d of three clients are complete, want the first only", r.Complete)
	}
}

func FuzzParseFrame(f *testing.F) {
	f.Add([]byte(`data: {"n":1,"sent":2}`))
	f.Add([]byte(`data: {"n" : 12, "sent" : 345, "pad" : ""}`))
	f.Add([]byte(`{"n"`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		n, sent, ok := testKeys.parse(frame)
		if !ok && (n != 0 && sent != 0) {
			t.Errorf("%q gives %d and %d although it is rejected", frame, n, sent)
		}
	})
}

package conformance

import (
	"fmt"
	"strings"
)

// bytesScenarios test the format of event streams, in whatever pieces it arrives.
func bytesScenarios() []Scenario {
	return []Scenario{
		oneByOne("bytes-lf", "\n"),
		oneByOne("bytes-crlf", "\r\n"),
		oneByOne("bytes-cr", "\r"),
		everySplit(),
		{
			Name: "comments-and-unknown", Rule: "comments, unknown fields, types, modes and members change nothing",
			Start: events,
			Want:  []string{"1 1", "2 2", "3 null", isEnd},
			Stream: []Step{func(e *Exchange) {
				e.Send("\ufeff: hello\n\n:\n\nevent\n\nretry: soon\n\nretry\n\nfoo: bar\n\nfoo\n\n" + live("c0"))
				e.Send(": in between\n" + withID("c1", "nonsense: x\n"+event(1, "1")))
				e.Send(syncFrame(`{"mode":"of a later version","x":1}`) + `data: {"type":"of_a_later_version","data":{},"timestamp":1}` + "\n\n")
				e.Send(withID("c2", `data: {"id":2,"type":"b","data":2,"timestamp":1,"later":{"id":7},"x":[1]}`+"\n\n"))
				e.Send(withID("c3", event(3, "null")) + "id: c4\n\n" + end("c5"))
				e.Hold()
			}},
		},
		{
			Name: "big-event", Rule: "an event may have megabytes",
			Start: events,
			Want:  []string{`1 "` + strings.Repeat("é", 2<<20) + `"`, isEnd},
			Stream: []Step{func(e *Exchange) {
				e.Send(live("c0") + withID("c1", event(1, `"`+strings.Repeat("é", 2<<20)+`"`)) + end("c2"))
				e.Hold()
			}},
		},
		{
			Name: "cut-frame", Rule: "a frame without its blank line does not count, nor does its id",
			Start: events,
			Want:  []string{"1 1", "2 2", isEnd},
			Stream: []Step{
				func(e *Exchange) {
					e.Send(live("c0") + withID("c1", event(1, "1")) + strings.TrimSuffix(withID("c2", event(2, "2")), "\n")).Abort()
				},
				func(e *Exchange) { e.After("c1").Send(resumed("c1") + withID("c2", event(2, "2")) + end("c3")).Hold() },
			},
		},
		{
			Name: "cut-frame-at-the-end", Rule: "the same if the stream ends properly",
			Start: events,
			Want:  []string{"1 1", "2 2", isEnd},
			Stream: []Step{
				func(e *Exchange) { e.Send(live("c0") + withID("c1", event(1, "1")) + "id: c2\ndata: {\"id\":2,") },
				func(e *Exchange) { e.After("c1").Send(resumed("c1") + withID("c2", event(2, "2")) + end("c3")).Hold() },
			},
		},
		{
			Name: "batch", Rule: "a batch is its events, and its id line is the last one's",
			Start: events,
			Want:  []string{"1 1", "2 2", "3 3", isEnd},
			Stream: []Step{
				func(e *Exchange) { e.Send(live("c0") + batch(1, 2)).Abort() },
				func(e *Exchange) {
					e.After("c0").Send(resumed("c0") + batch(1, 2) + withID("c1", batch(3)) + end("c2")).Hold()
				},
			},
		},
	}
}

// batch returns the frame of a batch.
func batch(ids ...int) string {
	var inside []string
	for _, id := range ids {
		inside = append(inside, fmt.Sprintf(`{"id":%d,"type":"a","data":%[1]d,"timestamp":1764000000000}`, id))
	}
	return `data: {"type":"batch","data":{"events":[` + strings.Join(inside, ",") + `]},"timestamp":1764000000000}` + "\n\n"
}

// oneByOne sends a stream byte by byte, in the middle of characters and of line ends too.
func oneByOne(name, lineEnd string) Scenario {
	text := "\ufeff" + live("c0") + ": ü\n" + withID("c1", event(1, `"日本 👩‍💻 é"`)) +
		"data: {\"id\":2,\"type\":\"a\",\ndata:\"data\":\"é\",\ndata: \"timestamp\":1}\nid: c2\n\n\n\n" + end("c3")
	text = strings.ReplaceAll(text, "\n", lineEnd)
	return Scenario{
		Name: name, Rule: "a stream is the same in pieces of one byte",
		Start: events,
		Want:  []string{`1 "日本 👩‍💻 é"`, `2 "é"`, isEnd},
		Stream: []Step{func(e *Exchange) {
			for i := range len(text) {
				e.Send(text[i : i+1])
			}
			e.Send(lineEnd) // after a CR, a client may wait for the next byte
			e.Hold()
		}},
	}
}

// everySplit sends a frame again and again, in two pieces that are cut at another byte each time.
func everySplit() Scenario {
	frame := func(id int) string { return strings.ReplaceAll(event(id, `"日本 👩‍💻 é"`), "\n", "\r\n") }
	s := Scenario{Name: "every-split", Rule: "a frame may be cut at any byte", Start: events}
	size := len(frame(100))
	for i := range size {
		s.Want = append(s.Want, fmt.Sprintf(`%d "日本 👩‍💻 é"`, 100+i))
	}
	s.Want = append(s.Want, isEnd)
	s.Stream = []Step{func(e *Exchange) {
		e.Send(live("c0"))
		for i := range size {
			e.Send(frame(100 + i)[:i])
			e.Send(frame(100 + i)[i:])
		}
		e.Send(end("c1")).Hold()
	}}
	return s
}

package tail

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	pgherald "github.com/pgherald/pgherald/clients/go"
	"github.com/pgherald/pgherald/clients/go/pgheraldtest"
)

func TestEventLine(t *testing.T) {
	activity := `"id":"8c1f02aa-9d1c-4c39-9d53-0f7f5b1c3f11","category":"network","subcategory":"switch","location":"Hall 4","status":"open","reporter":"ana",`
	tests := []struct{ name, kind, data, want string }{
		{"created", "activity_created", `{` + activity + `"assignedTo":null}`,
			"activity_created    8c1f02aa  open  network/switch  @ Hall 4  by ana"},
		{"created and assigned", "activity_created", `{` + activity + `"assignedTo":"bob"}`,
			"activity_created    8c1f02aa  open  network/switch  @ Hall 4  → bob  by ana"},
		{"updated", "activity_updated", `{` + activity + `"assignedTo":"bob","updateType":"status","latestUpdate":{"notes":"on\nit","authorId":"bob","updateType":"status"}}`,
			`activity_updated    8c1f02aa  open  network/switch  @ Hall 4  → bob  bob: “on\nit”`},
		{"unassigned", "activity_updated", `{` + activity + `"assignedTo":null,"updateType":"assignment","latestUpdate":null}`,
			"activity_updated    8c1f02aa  open  network/switch  @ Hall 4  → Unassigned"},
		{"handed over", "assignment_changed", `{` + activity + `"assignedTo":"eve","oldAssigneeId":"bob","newAssigneeId":"eve"}`,
			"assignment_changed  8c1f02aa  open  network/switch  @ Hall 4  bob → eve"},
		{"assigned", "assignment_changed", `{` + activity + `"newAssigneeId":"eve"}`,
			"assignment_changed  8c1f02aa  open  network/switch  @ Hall 4  Unassigned → eve"},
		{"deleted", "activity_deleted", `{"id":"8c1f02aa-9d1c-4c39-9d53-0f7f5b1c3f11","timestamp":"x"}`,
			"activity_deleted    8c1f02aa"},
		{"presence", "presence_updated", `{"userId":"bob","isOnline":true}`, "presence_updated    bob  online"},
		{"our type on another table", "activity_created", `{"id":17,"status":["a",1]}`, `activity_created    17  ["a",1]`},
		{"our type, no object", "activity_updated", `[1, 2]`, "activity_updated    [1,2]"},
		{"custom", "order_created", `{"id" : 1, "total" : 12345678901234567890.5}`, `order_created       {"id":1,"total":12345678901234567890.5}`},
		{"null", "order_created", `null`, "order_created       null"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := &pgherald.Event{Type: test.kind, Data: json.RawMessage(test.data), Timestamp: 1764000000123}
			got := eventLine(e, newLine(0, false))
			want := time.UnixMilli(1764000000123).Format("15:04:05") + ".123 " + test.want + "\n"
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// On a stream of collections, a line says what happens to which row.
func TestEventLineOfACollection(t *testing.T) {
	for text, want := range map[string]string{
		`{"type":"order_updated","data":{"id":7},"op":"update","key":"7"}`:              `order_updated       update 7 {"id":7}`,
		`{"type":"order_updated","op":"delete","moved":true,"key":"7"}`:                 `order_updated       leaves 7 `,
		`{"type":"order_updated","data":{"id":7},"op":"insert","moved":true,"key":"7"}`: `order_updated       enters 7 {"id":7}`,
		`{"type":"table_truncated","data":{"table":"public.orders"},"op":"reset"}`:      `table_truncated     reset  {"table":"public.orders"}`,
		`{"type":"a","op":"delete","key":"\u001b[2J"}`:                                  `a                   delete \u001b[2J `,
	} {
		var e pgherald.Event
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimPrefix(eventLine(&e, newLine(0, false)), time.UnixMilli(0).Format("15:04:05")+".000 "); got != want+"\n" {
			t.Errorf("%s:\ngot  %q\nwant %q", text, got, want+"\n")
		}
	}
}

// hostile contains every way to begin an escape sequence, reverse text and break a line.
const hostile = "a\x1b]0;owned\x07b\u009b2Jc\rd\ne\u202ef\u2028g\U000e0041h\x7fi"

func TestOutputHasNoUnsafeCharacters(t *testing.T) {
	data, err := json.Marshal(map[string]any{"id": hostile, "status": hostile, hostile: 1, "latestUpdate": map[string]any{"notes": hostile, "authorId": hostile}})
	if err != nil {
		t.Fatal(err)
	}
	raw := strings.NewReplacer(`\u001b`, `\u001b`, `\u2028`, "\u2028").Replace(string(data)) + "\n\xff"
	for _, kind := range []string{"activity_updated", "custom" + hostile} {
		e := &pgherald.Event{Type: kind, Data: data, Timestamp: 1764000000123}
		for _, width := range []int{0, 40, 100} {
			checkPlain(t, strings.TrimSuffix(eventLine(e, newLine(width, false)), "\n"))
		}
	}
	checkPlain(t, plainJSON(raw))
	checkPlain(t, plain(hostile+"\xff\x9b"))
}

func checkPlain(t *testing.T, s string) {
	t.Helper()
	if i := strings.IndexFunc(s, isUnsafe); i >= 0 || !utf8.ValidString(s) {
		t.Errorf("unsafe at %d: %q", i, s)
	}
}

func TestPlainJSONKeepsTheValue(t *testing.T) {
	raw := "{\"a\":\"x\u009b\u202e\u2028\U000e0041\x7f é 👩\u200d💻 12345678901234567890\",\n\t\"b\":\r1e400}"
	got := plainJSON(raw)
	checkPlain(t, got)
	var want, have map[string]any
	for text, to := range map[string]*map[string]any{raw: &want, got: &have} {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if err := d.Decode(to); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLineIsCutAtTheWidth(t *testing.T) {
	tests := []struct {
		width int
		text  string
		want  string
	}{
		{0, strings.Repeat("x", 1000), strings.Repeat("x", 1000)},
		{5, "abcd", "abcd"},
		{5, "abcde", "abcd…"},
		{5, "日本語", "日本…"},
		{5, "a\x1bb", "a…"},
		{5, "éééé", "éééé"},
		{5, "e\u0301e\u0301e\u0301e\u0301", "e\u0301e\u0301e\u0301e\u0301"},
	}
	for _, test := range tests {
		if got := newLine(test.width, false).add(styleNone, test.text).add(styleNone, "").String(); got != test.want+"\n" {
			t.Errorf("%q in %d columns: %q, want %q", test.text, test.width, got, test.want)
		}
	}
	if got := newLine(4, true).add(styleRed, "ab").add(styleNone, "cdef").add(styleRed, "g").String(); got != "\x1b[31mab\x1b[0mc…\n" {
		t.Errorf("with colour: %q", got)
	}
}

func TestControlEventsFollowTheFlags(t *testing.T) {
	stream := pgheraldtest.Send(pgheraldtest.WithID("c0", pgheraldtest.Sync(`{"mode":"live"}`)), pgheraldtest.WithID("c0", pgheraldtest.Heartbeat()), pgheraldtest.WithID("c1", pgheraldtest.Row(1)))
	tests := []struct {
		name   string
		change func(*Config)
		stdout int // lines
		stderr string
	}{
		{"json", func(*Config) {}, 1, "connecting, live, to"},
		{"json, all", func(c *Config) { c.Syncs, c.Heartbeats = true, true }, 3, "connecting, live, to"},
		{"people", func(c *Config) { c.JSON = false }, 1, "connecting, live, 2025-11-24, to"},
		{"people, heartbeats", func(c *Config) { c.JSON, c.Heartbeats = false, true }, 1, "connecting, live, heartbeat, 2025-11-24, to"},
		{"people, quiet", func(c *Config) { c.JSON, c.Quiet, c.Heartbeats = false, true, true }, 1, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &pgheraldtest.Server{Steps: []pgheraldtest.Step{stream}}
			var stdout, stderr strings.Builder
			c := config(t, s, &stdout, &stderr)
			c.Count = 1
			test.change(&c)
			if err := c.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(stdout.String(), "\n"); n != test.stdout {
				t.Errorf("%d lines on stdout, want %d:\n%s", n, test.stdout, stdout.String())
			}
			if got := firstWords(stderr.String()); got != test.stderr {
				t.Errorf("the lines of stderr begin with %q, want %q:\n%s", got, test.stderr, stderr.String())
			}
		})
	}
}

// firstWords returns the first word of each status line.
func firstWords(lines string) string {
	var words []string
	for line := range strings.Lines(lines) {
		_, text, _ := strings.Cut(line, " -- ")
		words = append(words, strings.Trim(strings.Fields(text)[0], ":"))
	}
	return strings.Join(words, ", ")
}

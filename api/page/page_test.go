package page

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// gathered is a page with the bytes that it wrote.
type gathered struct {
	*Page
	written bytes.Buffer
}

func newPage(max, size int, budget int64) *gathered {
	g := &gathered{}
	g.Page = New(Options{Max: max, Bytes: size, Budget: NewBudget(budget), Begin: func() (func(...[]byte) error, error) {
		return func(bufs ...[]byte) error {
			g.written.Write(slices.Concat(bufs...))
			return nil
		}, nil
	}})
	return g
}

// frames returns a transaction of n events as a stream has it, its cursor before the last one.
func frames(tx, n, size int) string {
	var b strings.Builder
	for i := range n {
		if i == n-1 {
			fmt.Fprintf(&b, "id: c%d\n", tx)
		}
		fmt.Fprintf(&b, "data: {\"tx\":%d,\"x\":\"%s\"}\n\n", tx, strings.Repeat("x", size))
	}
	return b.String()
}

// TestSplitBuffers adds the same frames in buffers that end at every byte.
func TestSplitBuffers(t *testing.T) {
	text := frames(1, 2, 3) + frames(2, 1, 0) + frames(3, 3, 1)
	want := newPage(100, 1<<20, 1<<20)
	if err := want.Add([][]byte{[]byte(text)}); err != nil {
		t.Fatal(err)
	}
	for i := range text {
		got := newPage(100, 1<<20, 1<<20)
		if err := got.Add([][]byte{[]byte(text[:i]), []byte(text[i:])}); err != nil {
			t.Fatal(err)
		}
		if a, b := string(bytes.Join(got.Cut(), nil)), string(bytes.Join(want.Cut(), nil)); a != b || !strings.HasSuffix(b, `"}],"cursor":"c3","more":true}`+"\n") {
			t.Fatalf("split at %d: got %s, want %s", i, a, b)
		}
	}
}

// TestLimits adds transactions to pages with limits of events, of bytes and of the budget.
func TestLimits(t *testing.T) {
	for name, test := range map[string]struct {
		page    *gathered
		txs     []string
		events  int // in the page
		through bool
	}{
		"events":            {newPage(3, 1<<20, 1<<20), []string{frames(1, 2, 1), frames(2, 2, 1)}, 2, false},
		"exactly":           {newPage(4, 1<<20, 1<<20), []string{frames(1, 2, 1), frames(2, 2, 1), frames(3, 1, 1)}, 4, false},
		"first too many":    {newPage(1, 1<<20, 1<<20), []string{frames(1, 5, 1), frames(2, 1, 1)}, 5, false},
		"bytes":             {newPage(100, 3000, 1<<20), []string{frames(1, 1, 2000), frames(2, 1, 2000)}, 1, false},
		"first too large":   {newPage(100, 3000, 1<<20), []string{frames(1, 3, 2000), frames(2, 1, 1)}, 3, true},
		"budget":            {newPage(100, 1<<20, 0), []string{frames(1, 1, 10_000), frames(2, 1, 10_000)}, 1, false},
		"no budget":         {newPage(100, 1<<20, 0), []string{frames(1, 2, 10_000), frames(2, 1, 10)}, 2, true},
		"one after another": {newPage(100, 1<<20, 30_000), []string{frames(1, 4, 10_000), frames(2, 1, 10_000), frames(3, 1, 10_000)}, 4, false},
	} {
		t.Run(name, func(t *testing.T) {
			p, full := test.page, false
			for _, tx := range test.txs {
				err := p.Add([][]byte{[]byte(tx)})
				if err != nil && !errors.Is(err, ErrFull) {
					t.Fatal(err)
				}
				full = full || err != nil
			}
			if !full || p.Events() != test.events || p.HasBegun() != test.through {
				t.Errorf("full %t, %d events, begun %t", full, p.Events(), p.HasBegun())
			}
			p.written.Write(slices.Concat(p.Cut()...))
			if n := strings.Count(p.written.String(), `{"tx":`); n != test.events || !strings.HasPrefix(p.written.String(), `{"events":[{"tx":1`) {
				t.Errorf("%d events in %.100s", n, p.written.String())
			}
			p.Release()
			if n := p.opts.Budget.Used(); n != 0 {
				t.Errorf("%d bytes are still reserved", n)
			}
		})
	}
}

// FuzzAdd adds arbitrary bytes: lines that are no frames are errors.
func FuzzAdd(f *testing.F) {
	f.Add([]byte(frames(1, 2, 3)), 5)
	f.Add([]byte("id: \ndata: \n\n: comment\n\n"), 1)
	f.Fuzz(func(t *testing.T, text []byte, at int) {
		p := newPage(2, 100, 50)
		defer p.Release()
		at = max(0, min(at, len(text)))
		_ = p.Add([][]byte{text[:at], text[at:]})
		_ = p.Cut()
	})
}

func TestAccepts(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "*/*": false, "application/json": true, "Application/JSON;charset=utf-8": true, "text/html, application/json;q=0.9": true,
		"application/json;q=0": false, "application/json; q=0.000": false, "text/event-stream, application/json": false, "text/event-stream;q=0, application/json": true,
		"application/*": false, "application/jsonp": false, ",;=,application/json": true,
	} {
		if got := Accepts([]string{header}); got != want {
			t.Errorf("%s: %t", header, got)
		}
	}
}

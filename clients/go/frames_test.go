package pgherald

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// readAll returns the frames of a stream as texts, and the error at its end.
func readAll(r io.Reader, limit int, retry func(time.Duration)) (frames []string, err error) {
	f := newFrameReader(r, limit, retry)
	for {
		next, err := f.next()
		if err != nil {
			return frames, err
		}
		frames = append(frames, next.id+"|"+string(next.data))
	}
}

func ignoreRetry(time.Duration) {}

// The frames are the same wherever the network cuts the stream.
func TestFramesAtEverySplit(t *testing.T) {
	text := "\ufeffdata: é\r\ndata:  b\r\n\r\n: comment\nid: c1\n\nid\ndata\n\nevent: x\rdata: 1\rid: c2\r\runknown: y\n\ndata: \ufeff日本\nid: c\x003\n\n\n\ndata: cut"
	want := []string{"|é\n b", "c1|", "|", "c2|1", "|\ufeff日本"}
	for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text)), iotest.DataErrReader(strings.NewReader(text))} {
		if got, err := readAll(r, 1<<20, ignoreRetry); !slices.Equal(got, want) || !errors.Is(err, io.EOF) {
			t.Errorf("frames = %q, %v; want %q", got, err, want)
		}
	}
	for i := range len(text) {
		r := io.MultiReader(strings.NewReader(text[:i]), strings.NewReader(text[i:]))
		if got, _ := readAll(r, 1<<20, ignoreRetry); !slices.Equal(got, want) {
			t.Errorf("cut at byte %d: frames = %q, want %q", i, got, want)
		}
	}
}

func TestFramesAcceptLargeEvents(t *testing.T) {
	data := strings.Repeat("x", 8<<20)
	for name, r := range map[string]io.Reader{
		"whole":     strings.NewReader("data: " + data + "\n\n"),
		"in pieces": iotest.HalfReader(strings.NewReader("data: " + data + "\r\n\r\n")),
	} {
		if got, err := readAll(r, defaultMaxEventBytes, ignoreRetry); !errors.Is(err, io.EOF) || len(got) != 1 || got[0] != "|"+data {
			t.Errorf("%s: %d frames, %v", name, len(got), err)
		}
	}
}

func TestFramesRejectTooLargeEvents(t *testing.T) {
	one := strings.Repeat("x", 5000)
	for name, text := range map[string]string{
		"one line":   "data: " + one + one + "\n\n",
		"many lines": strings.Repeat("data: "+one[:100]+"\n", 100) + "\n",
	} {
		if _, err := readAll(strings.NewReader(text), 8000, ignoreRetry); !errors.Is(err, ErrEventTooLong) {
			t.Errorf("%s: %v", name, err)
		}
	}
	comments := strings.Repeat(": "+one[:100]+"\n\n", 200) + "data: 1\n\n"
	if got, err := readAll(strings.NewReader(comments), 8000, ignoreRetry); fmt.Sprint(got) != "[|1]" || !errors.Is(err, io.EOF) {
		t.Errorf("many comments: %q, %v", got, err)
	}
}

func TestFramesPassOnRetry(t *testing.T) {
	var got []time.Duration
	text := "retry: 2713\n\nretry:5\r\ndata: retry: 6\n\nretry: soon\nretry: -1\nretry: +1\nretry: 99999999999\n\nretry: 7"
	_, _ = readAll(strings.NewReader(text), 1<<20, func(d time.Duration) { got = append(got, d) })
	if !slices.Equal(got, []time.Duration{2713 * time.Millisecond, 5 * time.Millisecond}) {
		t.Errorf("retry = %v", got)
	}
}

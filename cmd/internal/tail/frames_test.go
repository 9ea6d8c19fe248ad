package tail

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestReadFramesAcceptsLargeEvents(t *testing.T) {
	data := strings.Repeat("x", 8<<20)
	for name, r := range map[string]io.Reader{
		"whole":     strings.NewReader("data: " + data + "\n\n"),
		"in pieces": iotest.HalfReader(strings.NewReader("data: " + data + "\r\n\r\n")),
	} {
		var got []frame
		err := readFrames(r, maxEvent, func(time.Duration) {}, func(f frame) error { got = append(got, f); return nil })
		if !errors.Is(err, io.EOF) || len(got) != 1 || got[0].data != data {
			t.Errorf("%s: %d frames, %v", name, len(got), err)
		}
	}
}

func TestReadFramesRejectsTooLargeEvents(t *testing.T) {
	one := strings.Repeat("x", 5000)
	for name, text := range map[string]string{
		"one line":   "data: " + one + one + "\n\n",
		"many lines": strings.Repeat("data: "+one[:100]+"\n", 100) + "\n",
	} {
		err := readFrames(strings.NewReader(text), 8000, func(time.Duration) {}, func(frame) error { return nil })
		if !errors.Is(err, errEventTooLong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadFramesPassesOnRetry(t *testing.T) {
	var got []time.Duration
	text := "retry: 2713\n\nretry:5\r\ndata: retry: 6\n\nretry: soon\nretry: -1\nretry: 99999999999\n\nretry: 7"
	readFrames(strings.NewReader(text), 1<<20, func(d time.Duration) { got = append(got, d) }, func(frame) error { return nil })
	if len(got) != 2 || got[0] != 2713*time.Millisecond || got[1] != 5*time.Millisecond {
		t.Errorf("retry = %v", got)
	}
}

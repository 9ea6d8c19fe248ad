package pgtest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// failures is a test that keeps its errors.
type failures struct {
	testing.TB
	texts []string
}

func (f *failures) Helper() {}

func (f *failures) Errorf(format string, args ...any) {
	f.texts = append(f.texts, fmt.Sprintf(format, args...))
}

func TestWithinNamesWhatHangs(t *testing.T) {
	hangs := make(chan struct{})
	defer close(hangs)
	var f failures
	within(&f, time.Millisecond, "the end of a server", func() { awaitClosed(hangs) })
	if len(f.texts) != 1 || !strings.Contains(f.texts[0], "the end of a server") || !strings.Contains(f.texts[0], "awaitClosed") {
		t.Errorf("the failures are %q", f.texts)
	}
}

func awaitClosed(c <-chan struct{}) { <-c }

func TestWithinWaits(t *testing.T) {
	var f failures
	ended := false
	within(&f, time.Minute, "nothing", func() { ended = true })
	if !ended || f.texts != nil {
		t.Errorf("ended: %v; the failures are %q", ended, f.texts)
	}
}

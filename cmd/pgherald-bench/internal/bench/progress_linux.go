package bench

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// progress tells people how far a benchmark is: a bar on a terminal, else a line for each step.
type progress struct {
	w        io.Writer
	terminal bool
	began    time.Time
	steps    int
	done     int
}

func newProgress(w io.Writer, terminal bool) *progress {
	return &progress{w: w, terminal: terminal, began: time.Now()}
}

// expect says how many steps there will be.
func (p *progress) expect(steps int) { p.steps, p.done, p.began = steps, 0, time.Now() }

// say prints a line above the bar.
func (p *progress) say(line string) { fmt.Fprintf(p.w, "%s%s\n", p.clear(), line) }

// step begins one of the steps.
func (p *progress) step(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	p.done++
	if !p.terminal {
		fmt.Fprintf(p.w, "%d/%d %s\n", p.done, p.steps, what)
		return
	}
	const width = 24
	full := min(width, width*(p.done-1)/max(p.steps, 1))
	fmt.Fprintf(p.w, "%s[%s%s] %d/%d %s%s", p.clear(), strings.Repeat("█", full), strings.Repeat("·", width-full), p.done, p.steps, what, p.left())
}

// left guesses how long the rest takes.
func (p *progress) left() string {
	if p.done < 2 {
		return ""
	}
	each := time.Since(p.began) / time.Duration(p.done-1)
	return fmt.Sprintf(", about %v left", (each * time.Duration(p.steps-p.done+1)).Round(time.Second))
}

// finish removes the bar.
func (p *progress) finish() { fmt.Fprint(p.w, p.clear()) }

func (p *progress) clear() string {
	if !p.terminal {
		return ""
	}
	return "\r\x1b[K"
}

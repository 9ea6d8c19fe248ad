package report

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Progress prints how far a benchmark is: as a bar on a terminal, otherwise as a line for each step.
type Progress struct {
	w        io.Writer
	terminal bool
	began    time.Time
	steps    int
	done     int
}

// NewProgress returns a Progress that prints to w.
func NewProgress(w io.Writer, terminal bool) *Progress {
	return &Progress{w: w, terminal: terminal, began: time.Now()}
}

// Expect sets the number of steps and restarts the clock.
func (p *Progress) Expect(steps int) { p.steps, p.done, p.began = steps, 0, time.Now() }

// Print prints a line above the bar.
func (p *Progress) Print(line string) { fmt.Fprintf(p.w, "%s%s\n", p.clear(), line) }

// Step begins the next step.
func (p *Progress) Step(format string, args ...any) {
	step := fmt.Sprintf(format, args...)
	p.done++
	if !p.terminal {
		fmt.Fprintf(p.w, "%d/%d %s\n", p.done, p.steps, step)
		return
	}
	const width = 24
	full := min(width, width*(p.done-1)/max(p.steps, 1))
	fmt.Fprintf(p.w, "%s[%s%s] %d/%d %s%s", p.clear(), strings.Repeat("█", full), strings.Repeat("·", width-full), p.done, p.steps, step, p.remaining())
}

// remaining estimates the rest of the time from the mean of the finished steps.
func (p *Progress) remaining() string {
	if p.done < 2 {
		return ""
	}
	each := time.Since(p.began) / time.Duration(p.done-1)
	return fmt.Sprintf(", about %v left", (each * time.Duration(p.steps-p.done+1)).Round(time.Second))
}

// Finish removes the bar.
func (p *Progress) Finish() { fmt.Fprint(p.w, p.clear()) }

func (p *Progress) clear() string {
	if !p.terminal {
		return ""
	}
	return "\r\x1b[K"
}

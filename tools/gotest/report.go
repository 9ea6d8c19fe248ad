package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// slowestTests is the number of tests that a report ends with, and slowTest the least that such a test takes.
const (
	slowestTests = 10
	slowTest     = 3 * time.Second
)

// event is a line of `go test -json`: see `go doc test2json`.
type event struct {
	Action, Package, ImportPath, Test, Output string
	Elapsed                                   float64 // in seconds
}

// report follows the events of one run. It belongs to one goroutine.
type report struct {
	out      io.Writer
	began    time.Time
	module   string                 // prefix that the report leaves out of names of packages
	packages map[string]*packageRun // that run
	slow     []timed
	passed   int // packages
	failed   []string

	quietLimit time.Duration          // see endStuck; 0 for none
	dump       func(name string) bool // makes a package print its goroutines and end
}

// packageRun is a package whose tests run.
type packageRun struct {
	began  time.Time
	last   time.Time           // of its events
	output map[string][]string // by test; "" is the package's own
	tests  []string            // that run, in the order in which they began
	count  int                 // tests that ended
	failed []string
}

// timed is a test and how long it took.
type timed struct {
	name string
	took time.Duration
}

func newReport(out io.Writer, module string, began time.Time) *report {
	return &report{out: out, began: began, module: module, packages: make(map[string]*packageRun)}
}

// add takes a line that came at the given time. Lines that are no events are printed.
func (r *report) add(line []byte, now time.Time) {
	var e event
	if err := json.Unmarshal(line, &e); err != nil || e.Action == "" {
		fmt.Fprintf(r.out, "%s", line)
		return
	}
	e.Package = strings.TrimPrefix(e.Package, r.module+"/")
	if e.Package != "" {
		r.of(e.Package, now).last = now
	}
	switch {
	case e.Action == "build-output":
		fmt.Fprint(r.out, e.Output)
	case e.Package == "":
	case e.Test == "":
		r.addPackage(e, now)
	default:
		r.addTest(e, now)
	}
}

// of returns the state of a package, which begins with its first event.
func (r *report) of(name string, now time.Time) *packageRun {
	p := r.packages[name]
	if p == nil {
		p = &packageRun{began: now, output: make(map[string][]string)}
		r.packages[name] = p
	}
	return p
}

func (r *report) addPackage(e event, now time.Time) {
	p := r.of(e.Package, now)
	switch e.Action {
	case "start":
		p.began = now
	case "output":
		p.output[""] = append(p.output[""], e.Output)
	case "skip": // without tests
		delete(r.packages, e.Package)
	case "pass":
		delete(r.packages, e.Package)
		r.passed++
		took := fmt.Sprintf("%.1f s", e.Elapsed)
		if strings.Contains(strings.Join(p.output[""], ""), "(cached)") {
			took = "cached"
		}
		r.print(now, "ok    %s, %d tests, %s", e.Package, p.count, took)
	case "fail":
		delete(r.packages, e.Package)
		r.failed = append(r.failed, e.Package)
		r.printFailure(e, p, now)
	}
}

// printFailure prints the output of the tests that failed or did not end, and that of the package.
func (r *report) printFailure(e event, p *packageRun, now time.Time) {
	for _, name := range slices.Concat(p.failed, p.tests, []string{""}) {
		fmt.Fprint(r.out, strings.Join(p.output[name], ""))
	}
	r.print(now, "FAIL  %s, %.1f s: %s", e.Package, e.Elapsed, strings.Join(slices.Concat(p.failed, p.tests), ", "))
}

func (r *report) addTest(e event, now time.Time) {
	p := r.of(e.Package, now)
	remove := func() { p.tests = slices.DeleteFunc(p.tests, func(name string) bool { return name == e.Test }) }
	switch e.Action {
	case "run", "cont":
		remove()
		p.tests = append(p.tests, e.Test)
	case "pause":
		remove()
	case "output":
		p.output[e.Test] = append(p.output[e.Test], e.Output)
	case "pass", "skip":
		remove()
		delete(p.output, e.Test)
		p.count++
		r.note(e)
	case "fail":
		remove()
		p.count++
		p.failed = append(p.failed, e.Test)
		r.note(e)
	}
}

// note keeps a test for the list of the slowest, unless it is part of another one.
func (r *report) note(e event) {
	took := time.Duration(e.Elapsed * float64(time.Second))
	if took >= slowTest && !strings.Contains(e.Test, "/") {
		r.slow = append(r.slow, timed{path.Base(e.Package) + "." + e.Test, took})
	}
}

// running prints the packages that run, and their running tests.
func (r *report) running(now time.Time) {
	for _, name := range slices.Sorted(maps.Keys(r.packages)) {
		p := r.packages[name]
		r.print(now, "...   %s, since %v: %s", name, now.Sub(p.began).Round(time.Second), strings.Join(p.innermost(), ", "))
	}
}

// endStuck ends the packages in which nothing has happened for longer than quietLimit.
func (r *report) endStuck(now time.Time) {
	if r.quietLimit == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(r.packages)) {
		p := r.packages[name]
		if quiet := now.Sub(p.last); quiet >= r.quietLimit && r.dump(name) {
			r.print(now, "stuck %s, nothing has happened for %v: %s", name, quiet.Round(time.Second), strings.Join(p.innermost(), ", "))
			p.last = now // it takes a moment to end
		}
	}
}

// innermost returns the running tests that have no running subtest.
func (p *packageRun) innermost() []string {
	return slices.DeleteFunc(slices.Clone(p.tests), func(name string) bool {
		return slices.ContainsFunc(p.tests, func(other string) bool { return strings.HasPrefix(other, name+"/") })
	})
}

// end prints the slowest tests, and the packages that failed.
func (r *report) end(now time.Time) {
	slices.SortStableFunc(r.slow, func(a, b timed) int { return cmp.Compare(b.took, a.took) })
	for _, s := range r.slow[:min(len(r.slow), slowestTests)] {
		r.print(now, "slow  %s, %.1f s", s.name, s.took.Seconds())
	}
	r.print(now, "%d packages passed, %d failed", r.passed, len(r.failed))
	for _, name := range r.failed {
		r.print(now, "FAIL  %s", name)
	}
}

// print prints a line after the time since the run began.
func (r *report) print(now time.Time, format string, args ...any) {
	elapsed := int(now.Sub(r.began).Seconds())
	fmt.Fprintf(r.out, "%3d:%02d %s\n", elapsed/60, elapsed%60, fmt.Sprintf(format, args...))
}

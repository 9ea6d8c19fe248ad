package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const passing = `{"Action":"start","Package":"m/a"}
{"Action":"run","Package":"m/a","Test":"TestOne"}
{"Action":"output","Package":"m/a","Test":"TestOne","Output":"quiet\n"}
{"Action":"pass","Package":"m/a","Test":"TestOne","Elapsed":4}
{"Action":"output","Package":"m/a","Output":"ok  \tm/a\t4.1s\n"}
{"Action":"pass","Package":"m/a","Elapsed":4.1}
{"Action":"start","Package":"m/none"}
{"Action":"skip","Package":"m/none","Elapsed":0}`

const failing = `{"Action":"start","Package":"m/b"}
{"Action":"run","Package":"m/b","Test":"TestGood"}
{"Action":"output","Package":"m/b","Test":"TestGood","Output":"quiet\n"}
{"Action":"pass","Package":"m/b","Test":"TestGood","Elapsed":0}
{"Action":"run","Package":"m/b","Test":"TestBad"}
{"Action":"output","Package":"m/b","Test":"TestBad","Output":"loud\n"}
{"Action":"fail","Package":"m/b","Test":"TestBad","Elapsed":0.1}
{"Action":"run","Package":"m/b","Test":"TestHangs"}
{"Action":"output","Package":"m/b","Test":"TestHangs","Output":"panic\n"}
{"Action":"fail","Package":"m/b","Elapsed":0.2}
not json
{"Action":"build-output","ImportPath":"m/c","Output":"undefined: x\n"}`

func TestReport(t *testing.T) {
	began := time.Unix(0, 0)
	for name, c := range map[string]struct{ events, want string }{
		"passing": {passing, `  1:05 ok    a, 1 tests, 4.1 s
  1:05 slow  a.TestOne, 4.0 s
  1:05 1 packages passed, 0 failed
`},
		"cached": {strings.Replace(passing, "4.1s", "(cached)", 1), `  1:05 ok    a, 1 tests, cached
  1:05 slow  a.TestOne, 4.0 s
  1:05 1 packages passed, 0 failed
`},
		"failing": {failing, `loud
panic
  1:05 FAIL  b, 0.2 s: TestBad, TestHangs
not json
undefined: x
  1:05 0 packages passed, 1 failed
  1:05 FAIL  b
`},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			r := newReport(&out, "m", began)
			now := began.Add(65 * time.Second)
			for line := range strings.Lines(c.events) {
				r.add([]byte(line), now)
			}
			r.end(now)
			if out.String() != c.want {
				t.Errorf("report:\n%s\nwant:\n%s", out.String(), c.want)
			}
		})
	}
}

func TestStuckPackagesEnd(t *testing.T) {
	began := time.Unix(0, 0)
	var out strings.Builder
	r := newReport(&out, "m", began)
	var dumped []string
	r.quietLimit, r.dump = time.Minute, func(name string) bool { dumped = append(dumped, name); return true }
	r.add([]byte(`{"Action":"start","Package":"m/a"}`), began)
	r.add([]byte(`{"Action":"start","Package":"m/b"}`), began)
	r.add([]byte(`{"Action":"run","Package":"m/a","Test":"TestOne"}`), began)
	r.add([]byte(`{"Action":"output","Package":"m/b","Test":"TestTwo","Output":"quiet\n"}`), began.Add(30*time.Second))
	for _, at := range []time.Duration{50, 70, 80} {
		r.endStuck(began.Add(at * time.Second))
	}
	if want := "  1:10 stuck a, nothing has happened for 1m10s: TestOne\n"; out.String() != want || !slices.Equal(dumped, []string{"a"}) {
		t.Errorf("got %q of %q, want %q", out.String(), dumped, want)
	}
}

func TestQuietLimit(t *testing.T) {
	for args, want := range map[string]time.Duration{
		"-race ./...":                         4 * time.Minute,
		"-race -timeout 30m ./...":            12 * time.Minute,
		"--timeout=100s ./x -args -timeouts":  40 * time.Second,
		"-timeout 60m ./x -args -outages.x=1": 24 * time.Minute,
		"-timeout 60m ./x -args -hang=60m":    60 * time.Minute,
		"-timeout 60m ./x -args -hang=1m":     24 * time.Minute,
	} {
		if got := quietLimit(strings.Fields(args)); got != want {
			t.Errorf("%s: %v, want %v", args, got, want)
		}
	}
}

func TestReportOfRunningTests(t *testing.T) {
	began := time.Unix(0, 0)
	var out strings.Builder
	r := newReport(&out, "m", began)
	for _, line := range []string{
		`{"Action":"start","Package":"m/a"}`,
		`{"Action":"run","Package":"m/a","Test":"TestOne"}`,
		`{"Action":"pause","Package":"m/a","Test":"TestOne"}`,
		`{"Action":"run","Package":"m/a","Test":"TestTwo"}`,
		`{"Action":"run","Package":"m/a","Test":"TestTwo/sub"}`,
	} {
		r.add([]byte(line), began)
	}
	r.running(began.Add(30 * time.Second))
	if got, want := out.String(), "  0:30 ...   a, since 30s: TestTwo/sub\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

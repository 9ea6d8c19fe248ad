package bench

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-update writes it anew):\n%s", name, diff)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	s := &sheet{columns: []Column{{Key: "us", Title: "µs", Ratio: true}, {Key: "n", Title: "n"}}}
	for _, us := range []float64{3, 1, 2} {
		s.put("20 events/s", "write", "none", map[string]float64{"us": 4, "n": 1})
		s.put("20 events/s", "pgherald", "server", map[string]float64{"us": us})
	}
	s.put("120 events/s", "pgherald", "none", map[string]float64{"us": 1234.5})
	r := Report{
		Benchmark: "test", Rounds: 3, Columns: s.columns, Results: s.results(), Notes: []string{"A note."},
		Machine:  Machine{Processor: "Abacus", Processors: 2, ServerCPUs: 1, Kernel: "6.1", Postgres: "15.1", Go: "go1", Pgherald: "devel"},
		Settings: map[string]string{"duration": "10s", "clients": "5"},
	}
	var b bytes.Buffer
	if err := r.table(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "table.golden", b.Bytes())
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "report.golden.json", append(text, '\n'))
}

func TestBottleneck(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		usage usage
		want  string
	}{
		{usage{server: 950 * time.Millisecond}, "server"},
		{usage{server: 500 * time.Millisecond, load: 1900 * time.Millisecond}, "load"},
		{usage{publisher: time.Second}, "publisher"},
		{usage{server: 500 * time.Millisecond, postgres: time.Second, total: 2 * time.Second, idle: 10 * time.Millisecond}, "machine"},
		{usage{server: 500 * time.Millisecond, total: 2 * time.Second, idle: time.Second}, "none"},
	} {
		test.usage.elapsed = time.Second
		if got := test.usage.bottleneck(1, 2); got != test.want {
			t.Errorf("%+v: %s, want %s", test.usage, got, test.want)
		}
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	var line, bar bytes.Buffer
	for _, p := range []*progress{newProgress(&line, false), newProgress(&bar, true)} {
		p.expect(2)
		p.step("one of %d", 2)
		p.say("Something.")
		p.step("two")
		p.finish()
	}
	if want := "1/2 one of 2\nSomething.\n2/2 two\n"; line.String() != want {
		t.Errorf("without a terminal: %q, want %q", line.String(), want)
	}
	if !bytes.Contains(bar.Bytes(), []byte("\r\x1b[K[············")) || !bytes.HasSuffix(bar.Bytes(), []byte("\r\x1b[K")) {
		t.Errorf("on a terminal: %q", bar.String())
	}
}

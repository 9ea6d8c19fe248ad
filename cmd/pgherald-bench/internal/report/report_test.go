package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files")

// golden compares got with a file in testdata, which -update rewrites.
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
		t.Errorf("%s differs (-update rewrites it):\n%s", name, diff)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	s := &Sheet{Columns: []Column{{Key: "us", Title: "µs", Ratio: true}, {Key: "n", Title: "n"}}}
	for _, us := range []float64{3, 1, 2} {
		s.Put("20 events/s", "write", "none", map[string]float64{"us": 4, "n": 1})
		s.Put("20 events/s", "pgherald", "server", map[string]float64{"us": us})
	}
	s.Put("120 events/s", "pgherald", "none", map[string]float64{"us": 1234.5})
	r := Report{
		Benchmark: "test", Rounds: 3, Columns: s.Columns, Results: s.Results(), Notes: []string{"A note."},
		Machine:  Machine{Processor: "Abacus", Processors: 2, ServerCPUs: 1, Kernel: "6.1", Postgres: "15.1", Go: "go1", Pgherald: "devel"},
		Settings: map[string]string{"duration": "10s", "clients": "5"},
	}
	var b bytes.Buffer
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "table.golden", b.Bytes())
	b.Reset()
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.golden.json", b.Bytes())
}

func TestProgress(t *testing.T) {
	t.Parallel()
	var line, bar bytes.Buffer
	for _, p := range []*Progress{NewProgress(&line, false), NewProgress(&bar, true)} {
		p.Expect(2)
		p.Step("one of %d", 2)
		p.Print("Something.")
		p.Step("two")
		p.Finish()
	}
	if want := "1/2 one of 2\nSomething.\n2/2 two\n"; line.String() != want {
		t.Errorf("without a terminal: %q, want %q", line.String(), want)
	}
	if !bytes.Contains(bar.Bytes(), []byte("\r\x1b[K[············")) || !bytes.HasSuffix(bar.Bytes(), []byte("\r\x1b[K")) {
		t.Errorf("on a terminal: %q", bar.String())
	}
}

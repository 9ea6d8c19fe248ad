package process

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	// The name of a program can hold parentheses and spaces.
	s, err := parseStat([]byte("4711 (a) b) (c) S 42 4711 4711 0 -1 4194304 100 0 0 0 250 50 7 3 20 0 9 0 12345 1000 200"))
	if err != nil {
		t.Fatal(err)
	}
	want := procStat{parent: 42, self: 3 * time.Second, children: 100 * time.Millisecond}
	if s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
	for _, text := range []string{"", "1 (x", "1 (x) S 1 2", "1 (x) S a b c d e f g h i j k l m n o p"} {
		if _, err := parseStat([]byte(text)); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func TestOwnProcess(t *testing.T) {
	t.Parallel()
	pid := os.Getpid()
	before, err := CPU(pid)
	if err != nil {
		t.Fatal(err)
	}
	x := 0
	for after := before; after-before < 2*tick; after, err = CPU(pid) { // CPU time grows with the loop
		if err != nil {
			t.Fatal(err)
		}
		for i := range 1_000_000 {
			x += i
		}
	}
	rss, peak, err := Memory(pid)
	if err != nil || rss < 1<<20 || peak < rss/2 || x == 0 {
		t.Errorf("memory is %d, at its peak %d, error %v", rss, peak, err)
	}
	if total, idle := MachineCPU(); total <= 0 || idle < 0 || idle > total {
		t.Errorf("the machine was idle for %v of %v", idle, total)
	}
	s, err := statOf(pid)
	if err != nil || s.parent != os.Getppid() {
		t.Errorf("the parent is %d, error %v", s.parent, err)
	}
}

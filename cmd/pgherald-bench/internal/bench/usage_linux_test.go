package bench

import (
	"testing"
	"time"
)

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
			t.Errorf("%+v: bottleneck %s, want %s", test.usage, got, test.want)
		}
	}
}

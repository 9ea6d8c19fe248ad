package bench

import "testing"

func TestStormUnmarshalText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		want storm
		ok   bool
	}{
		{"10000x20", storm{10000, 20}, true},
		{"1x1", storm{1, 1}, true},
		{"10000", storm{}, false},
		{"0x20", storm{}, false},
		{"20x-1", storm{}, false},
		{"1000001x1", storm{}, false},
		{"2x3x4", storm{}, false},
	} {
		var got storm
		if err := got.UnmarshalText([]byte(test.text)); (err == nil) != test.ok || test.ok && got != test.want {
			t.Errorf("%q: got %+v and %v, want %+v", test.text, got, err, test.want)
		}
	}
}
